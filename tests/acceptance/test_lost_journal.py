"""A journal that was damaged or removed: the next supervisor takes up what lives, and no request fails."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from disposable.service import SUPERVISOR
from disposable.waiting import until
from tests.support.service_fakes import PATIENCE, RUNNER
from tests.support.service_fixture import Service, running_service, service_folder
from tests.support.service_traffic import steady_traffic

from supervisor.protocol import Color, Status


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Green serves release 2, blue is its warm standby with release 1."""
    with running_service(program=(SUPERVISOR[0], str(RUNNER)), tables=PATIENCE) as service:
        assert service.ctl("deploy").code == 0
        yield service


def no_database(journal: Path) -> None:
    checkpointed(journal)  # else SQLite makes all of it anew from its log
    journal.write_bytes(b"This is a letter, and no database." * 100)


def truncated(journal: Path) -> None:
    checkpointed(journal)
    os.truncate(journal, journal.stat().st_size // 2)


def garbage(journal: Path) -> None:
    checkpointed(journal)
    with journal.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(journal.stat().st_size - 4096))


def empty(journal: Path) -> None:
    checkpointed(journal)
    os.truncate(journal, 0)


def removed(journal: Path) -> None:
    for path in journal.parent.glob(f"{journal.name}*"):
        path.unlink()


def log_damaged(journal: Path) -> None:
    """SQLite goes back to the last checkpoint without a word."""
    log = journal.with_name(f"{journal.name}-wal")
    with log.open("r+b") as file:
        file.write(os.urandom(log.stat().st_size))


def checkpointed(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize("damage", [no_database, truncated, garbage, empty, removed, log_damaged])
def test_what_lives_is_taken_up(service: Service, damage: Callable[[Path], None]) -> None:
    """Under traffic: the same processes, route, releases and numbers that go on; only the history is lost."""
    before, last = service.settled(), service.history()[0].deployment
    service.kill_supervisor()
    with steady_traffic(service.url, clients=4) as traffic:
        damage(service.state.journal)
        after = service.up()
        traffic.goes_on()
        assert_same(after, before)
        assert "WARNING: the journal did not know, and was told" in service.said()
        assert service.ctl("swap").code == 0
        traffic.goes_on()
    assert service.history()[0].deployment > last or damage is log_damaged
    assert_same_workers(service.settled(), before)
    assert service.ctl("swap").code == 0


def test_the_damaged_file_is_kept(service: Service) -> None:
    """Under its name with the time, for whoever wants to know; and the operator is told loudly."""
    service.settled()
    service.kill_supervisor()
    no_database(service.state.journal)
    letter = service.state.journal.read_bytes()
    already = set(service.state.root.glob("supervisor.db.corrupt-*"))
    service.up()
    (aside,) = [path for path in service.state.root.glob("supervisor.db.corrupt-*") if path not in already]
    assert aside.read_bytes() == letter
    assert f"it is set aside as {aside.name}, and a new journal is begun" in service.said()


def test_workers_that_died_meanwhile_are_started_again(service: Service) -> None:
    """The log still tells what served."""
    before = service.settled()
    service.kill_supervisor()
    for pid in service.worker_pids():
        with suppress(ProcessLookupError):
            os.kill(pid, 9)
    no_database(service.state.journal)
    after = service.up()
    assert (after.active, after.release, after.edge.pid) == (before.active, before.release, before.edge.pid)
    assert service.chat("Hello!").is_success
    assert service.ctl("start", after.active.other if after.active else "").code == 0


def test_a_pid_file_that_names_another_process_is_not_believed(service: Service) -> None:
    """What runs under that pid is no nginx in our folder: it is neither adopted nor ended."""
    before = service.settled()
    service.kill_supervisor()
    assert before.edge.pid
    pid_file = service.state.edge / "nginx.pid"
    told = pid_file.read_text()
    pid_file.write_text(f"{os.getpid()}\n")
    after = service.up()
    assert after.edge.pid == before.edge.pid, "the journal is sound"
    pid_file.write_text(told)


def test_damage_that_is_met_while_running_ends_the_supervisor_only(service: Service) -> None:
    """With a clear message; workers and nginx go on, and the next supervisor heals."""
    before = service.settled()
    with steady_traffic(service.url, clients=4) as traffic:
        no_database(service.state.journal)
        with suppress(Exception):
            list(service.client.swap())
        until(lambda: service.process and service.process.poll() is not None, "the supervisor gave up")
        assert service.exit_code() == 1
        assert "is damaged" in service.said() and "workers and nginx go on as they are" in service.said()
        traffic.goes_on()
        after = service.up()
        traffic.goes_on()
    assert_same_workers(after, before)


def test_a_newer_journal_is_still_refused() -> None:
    """It is sound: nobody may set it aside."""
    with service_folder() as service:
        service.state.root.mkdir()
        with closing(sqlite3.connect(service.state.journal)) as database:
            database.execute("PRAGMA user_version=99")
        service.launch()
        assert service.exit_code() == 1
        assert "has version 99" in service.said()
        assert not list(service.state.root.glob("supervisor.db.corrupt-*"))


def assert_same(after: Status, before: Status) -> None:
    assert (after.active, after.release, after.edge.pid) == (before.active, before.release, before.edge.pid)
    assert_same_workers(after, before)


def assert_same_workers(after: Status, before: Status) -> None:
    for color in Color:
        old, new = before.workers[color], after.workers[color]
        assert (new.pid, new.worker_id, new.release, new.state) == (old.pid, old.worker_id, old.release, old.state)
