"""The installed service under a real systemd: hardened as it is, it serves, restarts and stops without a loss."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomli_w
from disposable.processes import processes_of
from disposable.service import Tables, is_settled
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
        yield manager


@pytest.fixture
def installed(service: Service, systemd: UserSystemd) -> Service:
    """Whatever the test before did."""
    service.config.write_text(tomli_w.dumps(service.tables))
    done = systemd.modelsvc("service", "install")
    assert done.returncode == 0, done.stderr
    return service


def test_it_serves_when_the_command_returns(service: Service, systemd: UserSystemd) -> None:
    """The first deployment is shown, and over. Done again it tells the same, and starts nothing."""
    done = systemd.modelsvc("service", "install")
    assert service.chat("Hello!").status_code == 200
    assert done.returncode == 0, done.stderr
    assert "step " in done.stderr and f"serves at {service.url}" in done.stdout, done
    told = [json.loads(systemd.modelsvc("service", command, "--json").stdout) for command in ("install", "start")]
    status = service.status()
    for each in told:
        assert (each["pid"], each["active"], each["listen"]) == (status.pid, status.active, status.edge.listen)
    assert told[0]["changed"] == [] and told[1]["running"]


def test_it_runs_as_it_was_installed(installed: Service, systemd: UserSystemd) -> None:
    """nginx and a worker live with the restrictions of the unit, and answer."""
    told = json.loads(systemd.modelsvc("service", "status", "--json").stdout)
    assert [told[key] for key in ("manager", "installed", "running", "enabled", "stale")] == [
        *("systemd", True, True, True, False)
    ]
    status = Path(f"/proc/{outer_pid(installed, 'nginx: worker')}/status").read_text()
    assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
    assert installed.chat("Hello!").status_code == 200
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
    installed: Service, systemd: UserSystemd, how: tuple[str, ...], nginx_stays: bool
) -> None:
    """Under load; systemd itself starts the next one."""
    before, old = settled(installed), systemd.shown(UNIT, "MainPID")
    act = systemd.modelsvc if how[0] == "service" else systemd.run
    with steady_traffic(installed.url, CLIENTS) as traffic:
        done = act(*how, *([old] if how[0] == "kill" else []))
        assert done.returncode == 0, done.stderr
        until(lambda: systemd.shown(UNIT, "MainPID") not in ("0", old), "another supervisor runs")
        until(lambda: systemd.shown(UNIT, "SubState") == "running", "it is ready")
        after = settled(installed)
        traffic.goes_on()
    assert (after.edge.pid == before.edge.pid) == nginx_stays


def test_a_restart_returns_when_the_new_one_serves(installed: Service, systemd: UserSystemd) -> None:
    """And not because the old one does."""
    old = installed.status().pid
    done = json.loads(systemd.modelsvc("service", "restart", "--json").stdout)
    assert done["running"] and done["active"]
    assert old != done["pid"] == installed.status().pid
    assert installed.chat("Hello!").status_code == 200


def test_nobody_has_to_wait(installed: Service, systemd: UserSystemd) -> None:
    """With --no-wait it can be asked when the command returns, and its deployment is under way."""
    assert systemd.modelsvc("service", "stop").returncode == 0
    done = systemd.modelsvc("service", "start", "--no-wait", "--json")
    under_way = installed.status()
    assert (done.returncode, json.loads(done.stdout)) == (0, {"running": True})
    assert under_way.active is None
    settled(installed)


def test_waiting_has_an_end(installed: Service, systemd: UserSystemd) -> None:
    """Exit 5; the service goes on starting, and can be waited for again."""
    assert systemd.modelsvc("service", "stop").returncode == 0
    late = systemd.modelsvc("service", "start", "--timeout", "0.2")
    assert late.returncode == ExitCode.TIMED_OUT and "within 0.2 s" in late.stderr, late
    assert systemd.modelsvc("service", "start").returncode == 0
    assert installed.chat("Hello!").status_code == 200


@pytest.mark.parametrize(
    ("tables", "code", "words"),
    [
        ({"edge": {"nginx": "/nowhere/nginx"}}, ExitCode.FAILED, "/nowhere/nginx"),
        ({"model": {"path": "letter.gguf"}}, ExitCode.MISUSE, "letter.gguf"),
        ({"memory": {"budget_gb": 0.01}}, ExitCode.REFUSED, "came to nothing"),
    ],
    ids=["no nginx", "no model", "no room"],
)
def test_what_cannot_serve_is_told(
    service: Service, systemd: UserSystemd, tables: Tables, code: ExitCode, words: str
) -> None:
    """With the supervisor's last words and its exit code; mended it serves."""
    (service.folder / "letter.gguf").write_text("This is a letter.\n")
    broken = {name: {**service.tables.get(name, {}), **tables.get(name, {})} for name in {*service.tables, *tables}}
    service.config.write_text(tomli_w.dumps(broken))
    failed = systemd.modelsvc("service", "install")
    assert failed.returncode == code, failed
    assert words in failed.stderr and "modelsvc service stop" in failed.stderr, failed
    service.config.write_text(tomli_w.dumps(service.tables))
    assert systemd.modelsvc("service", "restart").returncode == 0
    assert service.chat("Hello!").status_code == 200
    assert systemd.modelsvc("service", "uninstall").returncode == 0


def test_a_supervisor_that_cannot_be_run_is_told(service: Service, systemd: UserSystemd) -> None:
    """There are no words then; also `--no-wait` tells it. systemd tries again, so that it serves once it is mended."""
    service.config.write_text(tomli_w.dumps(service.tables))
    assert systemd.modelsvc("service", "install", "--no-wait").returncode == 0
    assert systemd.modelsvc("service", "stop").returncode == 0
    unit = service.folder / "con fig" / "systemd" / "user" / f"{UNIT}.d" / "broken.conf"
    unit.parent.mkdir()
    unit.write_text("[Service]\nExecStart=\nExecStart=/bin/sh -c 'kill -9 $$$$'\n")
    assert systemd.run("systemctl", "--user", "daemon-reload").returncode == 0
    failed = systemd.modelsvc("service", "start")
    assert failed.returncode == ExitCode.FAILED and "ended with signal 9" in failed.stderr, failed
    failed = systemd.modelsvc("service", "restart", "--no-wait")
    assert failed.returncode == ExitCode.FAILED and "modelsvc service logs" in failed.stderr, failed
    unit.unlink()
    assert systemd.run("systemctl", "--user", "daemon-reload").returncode == 0
    settled(service)
    assert systemd.modelsvc("service", "uninstall").returncode == 0


def test_it_is_stopped_and_removed(installed: Service, systemd: UserSystemd) -> None:
    """Nothing of it is left."""
    assert systemd.modelsvc("service", "stop").returncode == 0
    assert not processes(installed, lambda command: "nginx" in command or "modelsvc.worker" in command)
    removed = systemd.modelsvc("service", "uninstall")
    assert removed.returncode == 0, removed.stderr
    assert systemd.shown(UNIT, "LoadState") == "not-found"


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
