"""The installed service under a real systemd: hardened as it is, it serves, restarts and stops without a loss."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomli_w
from disposable.processes import processes_of
from disposable.service import is_settled
from disposable.waiting import until
from tests.support.service_fixture import Service, service_folder
from tests.support.service_traffic import steady_traffic
from tests.support.user_systemd import UserSystemd, user_systemd

from supervisor.errors import SupervisorError
from supervisor.protocol import ExitCode, Status

CLIENTS = 8
UNIT = "modelsvc.service"


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with service_folder() as service:
        service.config.write_text(tomli_w.dumps(service.tables))
        yield service


@pytest.fixture(scope="module")
def systemd(service: Service) -> Iterator[UserSystemd]:
    own = {"HOME": str(service.folder), "XDG_CONFIG_HOME": str(service.folder / "con fig")}
    with user_systemd({**service.env, **own}, service.folder / "systemd.log") as manager:
        installed = manager.modelsvc("service", "install")
        assert installed.returncode == 0, installed.stderr
        settled(service)
        yield manager


def test_it_runs_as_it_was_installed(service: Service, systemd: UserSystemd) -> None:
    """nginx and a worker live with the restrictions of the unit, and answer."""
    told = json.loads(systemd.modelsvc("service", "status", "--json").stdout)
    assert [told[key] for key in ("manager", "installed", "running", "enabled", "stale")] == [
        *("systemd", True, True, True, False)
    ]
    status = Path(f"/proc/{outer_pid(service, 'nginx: worker')}/status").read_text()
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
    assert service.chat("Hello!").status_code == 200
    until(lambda: "serves release" in systemd.shown(UNIT, "StatusText"), "it tells what serves")


@pytest.mark.parametrize(
    ("how", "nginx_stays"),
    [
        (("service", "restart"), True),
        (("kill", "-KILL"), True),
        (("systemctl", "--user", "stop", UNIT), False),
    ],
    ids=["restarted", "killed", "stopped, and started by the next client"],
)
def test_a_new_supervisor_loses_nothing(
    service: Service, systemd: UserSystemd, how: tuple[str, ...], nginx_stays: bool
) -> None:
    """Under load; systemd itself starts the next one."""
    before, old = settled(service), systemd.shown(UNIT, "MainPID")
    act = systemd.modelsvc if how[0] == "service" else systemd.run
    with steady_traffic(service.url, CLIENTS) as traffic:
        done = act(*how, *([old] if how[0] == "kill" else []))
        assert done.returncode == 0, done.stderr
        until(lambda: systemd.shown(UNIT, "MainPID") not in ("0", old), "another supervisor runs")
        until(lambda: systemd.shown(UNIT, "SubState") == "running", "it is ready")
        after = settled(service)
        traffic.goes_on()
    assert (after.edge.pid == before.edge.pid) == nginx_stays


def test_it_is_stopped_and_removed(service: Service, systemd: UserSystemd) -> None:
    """Nothing of it is left."""
    assert systemd.modelsvc("service", "stop").returncode == 0
    assert not processes(service, lambda command: "nginx" in command or "modelsvc.worker" in command)
    removed = systemd.modelsvc("service", "uninstall")
    assert removed.returncode == 0, removed.stderr
    assert systemd.shown(UNIT, "LoadState") == "not-found"


def test_what_cannot_start_is_told_and_starts_once_it_is_mended(service: Service, systemd: UserSystemd) -> None:
    """systemd tries again for as long as it takes."""
    broken = {**service.tables, "edge": {**service.tables["edge"], "nginx": "/nowhere/nginx"}}
    service.config.write_text(tomli_w.dumps(broken))
    failed = systemd.modelsvc("service", "install")
    assert failed.returncode == ExitCode.FAILED and "modelsvc service logs" in failed.stderr, failed
    service.config.write_text(tomli_w.dumps(service.tables))
    settled(service)
    assert systemd.modelsvc("service", "uninstall").returncode == 0


def settled(service: Service) -> Status:
    """As `Service.settled`, for a supervisor that is not our child."""

    def look() -> Status | None:
        try:
            status = service.status()
        except SupervisorError:
            return None
        return status if is_settled(status) else None

    found = until(look, "a colour serves, and nothing is under way", 40)
    assert found is not None
    return found


def processes(service: Service, wanted: Callable[[str], bool]) -> list[int]:
    """Seen from outside, where pids are other ones."""
    return [each.pid for each in processes_of(service.folder) if wanted(" ".join(each.cmdline()))]


def outer_pid(service: Service, title: str) -> int:
    return processes(service, lambda command: title in command)[0]
