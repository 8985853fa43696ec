"""Pids on record that belong to somebody else by now: neither adopted nor signalled, whatever is done afterwards."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing

import psutil
import pytest
from disposable.processes import is_alive, processes_of
from disposable.service import is_settled
from disposable.waiting import until
from tests.support.service_fakes import fake_service
from tests.support.service_fixture import Service, other
from tests.support.service_truth import contradictions

from supervisor.protocol import Color, Status


@pytest.fixture(scope="module")
def fakes() -> Iterator[Service]:
    with fake_service() as service:
        yield service


@pytest.fixture
def service(fakes: Service) -> Service:
    """One colour serves, and the other is its warm standby."""
    fakes.does("start", active(fakes.settled()).other)
    return fakes


@pytest.fixture
def stranger(service: Service) -> Iterator["subprocess.Popen[bytes]"]:
    """Leads a group and works in the edge's folder, as nginx does. It has no handlers, so any signal would end it."""
    with subprocess.Popen(["sleep", "600"], cwd=service.state.edge, start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def active_worker(service: Service, before: Status, pid: int) -> None:
    worker(service, before, active(before), pid)


def standby_worker(service: Service, before: Status, pid: int) -> None:
    worker(service, before, active(before).other, pid)


def worker(service: Service, before: Status, color: Color, pid: int) -> None:
    """The worker ended, and its pid was given away."""
    row = before.workers[color]
    assert row.pid
    kill(row.pid)
    with closing(sqlite3.connect(service.state.journal)) as journal, journal:
        changed = journal.execute("UPDATE workers SET pid=? WHERE worker_id=?", (pid, row.worker_id))
        assert changed.rowcount == 1


def edge_on_record(service: Service, before: Status, pid: int) -> None:
    kill_nginx(service)
    with closing(sqlite3.connect(service.state.journal)) as journal, journal:
        (told,) = journal.execute("SELECT value FROM facts WHERE name='edge'").fetchone()
        _, started_at = json.loads(told)
        journal.execute("UPDATE facts SET value=? WHERE name='edge'", (json.dumps([pid, started_at]),))
    (service.state.edge / "nginx.pid").write_text(f"{pid}\n")


def edge_without_a_record(service: Service, before: Status, pid: int) -> None:
    """Only nginx's own file is left to tell."""
    kill_nginx(service)
    for path in service.state.root.glob(f"{service.state.journal.name}*"):
        path.unlink()
    (service.state.edge / "nginx.pid").write_text(f"{pid}\n")


Given = Callable[[Service, Status, int], None]


@pytest.mark.parametrize("given_away", [active_worker, standby_worker, edge_on_record, edge_without_a_record])
def test_a_stranger_with_the_pid_is_left_alone(
    service: Service, stranger: "subprocess.Popen[bytes]", given_away: Given
) -> None:
    """The next supervisor starts its own in that place, serves, deploys, and stops both colours' workers in turn."""
    before = service.settled()
    service.kill_supervisor()
    given_away(service, before, stranger.pid)

    after = taken_up(service, before)
    assert stranger.pid not in {after.edge.pid, *(each.pid for each in after.workers.values())}
    assert service.chat("Hello!").is_success
    for _ in Color:  # each ends a worker
        assert service.ctl("deploy").code == 0
    settled = service.settled()
    assert settled.release and before.release and settled.release.number > before.release.number
    assert_untouched(stranger)
    assert not contradictions(service, settled)


def test_nor_does_a_shutdown_touch_it(fakes: Service, stranger: "subprocess.Popen[bytes]") -> None:
    """All that is the service's ends."""
    before = fakes.settled()
    fakes.kill_supervisor()
    active_worker(fakes, before, stranger.pid)
    taken_up(fakes, before)
    assert fakes.shut_down() == 0
    until(lambda: {each.pid for each in processes_of(fakes.folder)} == {stranger.pid}, "nobody else is left")
    assert_untouched(stranger)


def taken_up(service: Service, before: Status) -> Status:
    """Where its worker is gone, the standby serves until there is another one."""
    service.launch()
    return service.sees(lambda s: is_settled(s) and s.active == before.active, "it serves as it did")


def assert_untouched(stranger: "subprocess.Popen[bytes]") -> None:
    """It lives, and does not stand still; and a signal would have shown."""
    assert stranger.poll() is None
    assert psutil.Process(stranger.pid).status() != psutil.STATUS_STOPPED


def kill_nginx(service: Service) -> None:
    for process in processes_of(service.folder):
        if "nginx" in " ".join(process.cmdline()[:1]):
            kill(process.pid)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), f"process {pid} is gone")


def active(status: Status) -> Color:
    return other(other(status.active))
