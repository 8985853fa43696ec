"""Files of the state folder that somebody removes while the service runs: it notices, and makes them anew."""

import os
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from disposable.processes import processes_of
from disposable.waiting import until
from tests.support.service_fixture import Service, other, running_service, service_folder
from tests.support.service_traffic import steady_traffic

from modelsvc import keyfile
from supervisor import lock
from supervisor.protocol import DeployRequest

SOCKETS = ("control.sock", "hold.sock", "notify.sock")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with running_service() as service:
        yield service


def is_complete(service: Service) -> bool:
    run = service.state.run
    return all((run / name).exists() for name in SOCKETS) and lock.holder(service.state.lock) > 0


def supervisor_pid(service: Service) -> int:
    assert service.process is not None
    return service.process.pid


def test_without_run_no_second_supervisor_begins_and_the_first_can_be_reached_again(service: Service) -> None:
    """Workers announce themselves to it, and requests are held by it, as before."""
    before = service.settled()
    with steady_traffic(service.url) as traffic:
        shutil.rmtree(service.state.run)
        up = service.run("up", "--detach", "--json")
        assert (up.code, up.last["pid"], up.last["already"]) == (0, supervisor_pid(service), True)
        until(lambda: is_complete(service), "all is there again")
        service.does("deploy", DeployRequest())
        assert service.ctl("pause").code == 0
        waiting = service.sees(lambda s: s.edge.waiting > 0, "requests are held")
        assert service.ctl("resume").code == 0
        traffic.goes_on()
    assert waiting.edge.pid == before.edge.pid
    assert traffic.report().failed == 0
    told = [line for line in service.said().splitlines() if "removed while the service runs, and made anew" in line]
    assert any(str(service.state.control_socket) in line for line in told)


def test_who_follows_goes_on_while_the_socket_is_made_anew(service: Service) -> None:
    """The connections that there are do not need the name."""
    service.settled()
    with service.watching("events", "--after", "0", "--event", "deployment_ended", "--count", "2") as events:
        seen = (event["deployment"] for event in events if event["event"] == "deployment_ended")
        service.does("deploy", DeployRequest())
        first = next(seen)
        shutil.rmtree(service.state.run)
        until(lambda: is_complete(service), "all is there again")
        service.does("deploy", DeployRequest())
        assert next(seen) == first + 1


@pytest.mark.parametrize("names", [("supervisor.db",), ("supervisor.db-wal",), ("supervisor.db*",)], ids=str)
def test_a_removed_journal_is_written_anew_with_all_that_was_in_it(service: Service, names: tuple[str, ...]) -> None:
    """So a supervisor that comes after a crash knows of the deployment that followed."""
    service.settled()
    known = [each.deployment for each in service.history()]
    for path in (path for name in names for path in service.state.root.glob(name)):
        path.unlink()
    until(lambda: all((service.state.root / f"supervisor.db{end}").exists() for end in ("", "-wal")), "it is there")
    service.does("deploy", DeployRequest())
    served = service.settled()
    service.kill_supervisor()
    service.start_supervisor(service.config)
    after = service.settled()
    assert [each.deployment for each in service.history()][1:] == known[: len(service.history()) - 1]
    assert (after.active, after.release) == (served.active, served.release)
    assert {c: w.pid for c, w in after.workers.items()} == {c: w.pid for c, w in served.workers.items()}


def test_another_file_in_the_journals_place_is_set_aside(service: Service) -> None:
    """It may be somebody's backup."""
    service.settled()
    stranger = service.folder / "stranger"
    stranger.write_text("a backup")
    stranger.replace(service.state.journal)
    until(lambda: list(service.state.root.glob("supervisor.db.replaced-*")), "it is set aside")
    (aside,) = service.state.root.glob("supervisor.db.replaced-*")
    assert aside.read_text() == "a backup"
    service.does("deploy", DeployRequest())
    assert service.run("doctor", "--json").last["failures"] == 0


def test_a_removed_log_is_opened_anew_by_who_writes_it(service: Service) -> None:
    """A worker at once, and it says so; the supervisor with its next line."""
    active = service.settled().active
    assert active is not None
    for source in (active, "supervisor"):
        service.state.log_files[source].unlink()
    until(lambda: "log_was_removed" in service.ctl("logs", active).out, "the worker says so")
    service.does("deploy", DeployRequest())
    assert '"stopping"' not in service.ctl("logs", active).out
    assert "RequestEnded" in service.ctl("logs", "supervisor").out
    service.does("deploy", DeployRequest())  # to the other colour again, whose worker is stopped for it
    assert '"stopping"' in service.ctl("logs", active).out


def test_the_supervisors_own_key_is_the_same_afterwards(tmp_path: Path) -> None:
    """Workers that demand it go on answering it, and so does one that is started later."""
    path = tmp_path / "keys"
    keyfile.add(path, "ada")
    with service_folder(tables={"security": {"api_keys_file": str(path)}}) as service:
        service.up()
        key = service.state.probe_key.read_text()
        shutil.rmtree(service.state.run)
        until(service.state.probe_key.exists, "it is there again")
        assert service.state.probe_key.read_text() == key
        assert stat.S_IMODE(service.state.probe_key.stat().st_mode) == 0o600
        until(lambda: is_complete(service), "all is there again")
        service.does("deploy", DeployRequest())
        active = service.settled().active
        assert service.status().workers[other(active)].in_flight == 0


def test_nothing_is_open_to_others_whatever_the_umask() -> None:
    """Not even files, in a folder that is closed."""
    with service_folder() as fresh:
        previous = os.umask(0)
        try:
            up = fresh.run("up", "--detach", "--json", "--config", config_of(fresh))
        finally:
            os.umask(previous)
        assert up.code == 0, up.err
        try:
            fresh.does("deploy", DeployRequest())
            found = [
                path for path in fresh.state.root.rglob("*") if path.is_dir() or path.is_file()
            ]  # nginx has a socket
            assert fresh.state.console_log in found and fresh.state.lock in found
            assert [path for path in found if path.stat().st_mode & 0o077] == []
        finally:
            list(fresh.client.shutdown())
            until(lambda: not processes_of(fresh.folder), "all has ended")


def config_of(service: Service) -> Path:
    import tomli_w

    service.config.write_text(tomli_w.dumps(service.tables))
    return service.config


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can come into another user's folder")
@pytest.mark.parametrize("how", [(), ("--detach",)], ids=["foreground", "detached"])
def test_root_does_not_begin_in_another_users_folder(how: tuple[str, ...]) -> None:
    """It would leave files there which that user cannot use."""
    with service_folder() as service:
        service.state.root.mkdir(mode=0o700)
        os.chown(service.state.root, 12345, 12345)
        said = service.run("up", *how, "--config", config_of(service))
        assert said.code == 2
        assert f"the state folder {service.state.root} belongs to #12345, and this is root" in said.err
        assert list(service.state.root.iterdir()) == []


def test_a_journal_that_cannot_be_made_anew_is_a_failure_to_the_doctor() -> None:
    """The supervisor stands still, so that nobody makes it."""
    with running_service() as service:
        pid = supervisor_pid(service)
        os.kill(pid, signal.SIGSTOP)
        try:
            for path in service.state.root.glob("supervisor.db*"):
                path.unlink()
            report = service.run("doctor", "--json").last
        finally:
            os.kill(pid, signal.SIGCONT)
    codes = [finding["code"] for area in report["areas"] for finding in area["findings"]]
    assert "journal_removed" in codes
