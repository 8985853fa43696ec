"""The managed Prometheus as a process: a quick fake one that can misbehave. The real one is in tests/monitor."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from disposable.ports import reserved_ports
from disposable.processes import end_all, is_alive
from tests.support.fake_prometheus import BEHAVIOUR_ENV, fake_prometheus

from supervisor import processes
from supervisor.config import Config, MonitorSection
from supervisor.core import records as rec
from supervisor.core.monitor import decide
from supervisor.core.monitor.lifecycle import Phase
from supervisor.errors import JournalError, MonitorError, PortTaken, Refused, SupervisorError
from supervisor.journal import Journal
from supervisor.monitor import keeper as keeping
from supervisor.monitor import prometheus
from supervisor.monitor import report as monitor_report
from supervisor.monitor.keeper import Keeper
from supervisor.monitor.report import MonitorReporter
from supervisor.paths import StatePaths
from supervisor.patience import eventually
from supervisor.startup import lay_out
from supervisor.telemetry import Journaling

pytestmark = pytest.mark.usefixtures("quick")


class Desk:
    """What keepers of one state folder share; `records` is all that was told."""

    def __init__(self, folder: Path, port: int) -> None:
        self.paths = StatePaths(folder / "s")
        lay_out(self.paths)
        self.config = Config(
            monitor=MonitorSection(prometheus=str(fake_prometheus(folder)), listen=f"127.0.0.1:{port}")
        )
        self.journal = Journal(self.paths.journal)
        self.records: list[rec.Record] = []
        self.room: SupervisorError | None = None
        self.left: list[psutil.Process] = []  # by keepers that are no more

    def publish(self, record: rec.Record) -> None:
        self.records.append(record)

    async def check_room(self) -> None:
        if self.room:
            raise self.room

    @asynccontextmanager
    async def keeper(self, config: Config | None = None) -> AsyncIterator[Keeper]:
        """One supervisor's; it leaves its process behind, as one that is killed does."""
        kept = Keeper(
            config or self.config, self.paths, self.journal, (Journaling(self.journal), self), self.check_room
        )
        kept.open()
        try:
            yield kept
        finally:
            await kept.close()
            self.left += [kept.process] if kept.process else []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience for tests."""
    monkeypatch.setattr(decide, "PAUSE_S", 0.005)
    monkeypatch.setattr(decide, "ROOM_PAUSE_S", 0.05)
    monkeypatch.setattr(prometheus, "STOP_TIMEOUT_S", 0.5)


@pytest.fixture
async def desk(folder: Path) -> AsyncIterator[Desk]:
    with reserved_ports(1) as (port,):
        made = Desk(folder, port)
        try:
            yield made
        finally:
            made.journal.close()
            for process in filter(psutil.Process.is_running, made.left):
                process.kill()
                process.wait(10)
            end_all(folder)


async def comes_true(condition: Callable[[], object], what: str) -> None:
    async def check() -> bool:
        return bool(condition())

    assert await eventually(check, 20), what


async def is_in(kept: Keeper, phase: Phase) -> None:
    await comes_true(lambda: kept.monitor.phase is phase, f"it is {phase}, not {kept.monitor}")


async def test_up_returns_when_it_answers_and_down_when_it_is_gone(desk: Desk) -> None:
    """Both may be asked twice."""
    async with desk.keeper() as kept:
        await kept.up()
        await kept.up()
        assert (pid := kept.pid)
        assert MonitorReporter(kept).brief().state == "running"
        assert psutil.Process(pid).nice() == prometheus.NICENESS or os.nice(0) > 0
        assert os.getsid(pid) == pid, "it would be ended with the supervisor's terminal"

        await kept.down()
        await kept.down()
        assert not is_alive(pid) and kept.monitor.phase is Phase.OFF


async def test_its_state_is_told_and_kept(desk: Desk) -> None:
    """One record goes to all who watch, the journal first."""
    async with desk.keeper() as kept:
        await kept.up()
        assert desk.journal.fact("monitor")["pid"] == kept.pid
        await kept.down()

    told = [record for record in desk.records if isinstance(record, rec.MonitorChanged)]
    assert [record.state for record in told] == ["starting", "starting", "running", "stopping", "off"]
    assert desk.journal.fact("monitor") == {"wanted": False, "pid": None, "created_at": 0.0}


async def test_a_missing_prometheus_is_told_with_the_way_to_get_one(desk: Desk) -> None:
    """Nothing changes."""
    missing = Config(monitor=MonitorSection(prometheus="no-such-prometheus"))
    async with desk.keeper(missing) as kept:
        with pytest.raises(MonitorError, match=r"no 'no-such-prometheus' to run: `make setup`.*monitor\.prometheus"):
            await kept.up()
        assert kept.monitor == type(kept.monitor)()
    assert desk.records == []


async def test_a_taken_port_is_told_with_its_holder(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", int(desk.config.monitor.listen.rpartition(":")[2]))):
        async with desk.keeper() as kept:
            with pytest.raises(PortTaken, match=rf"^monitor\.listen: .* is taken by .*pid {os.getpid()}"):
                await kept.up()


async def test_without_room_it_is_not_started(desk: Desk) -> None:
    """The service's memory comes first."""
    desk.room = Refused("no room", code="memory_short")
    async with desk.keeper() as kept:
        with pytest.raises(Refused, match="no room"):
            await kept.up()
        assert kept.pid is None


async def test_what_it_died_of_at_its_start_is_the_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own words, with what to do about a broken data folder; and it is not tried again."""
    monkeypatch.setenv(BEHAVIOUR_ENV, "fail")
    async with desk.keeper() as kept:
        with pytest.raises(MonitorError, match=r"ended with code 1: .*lock DB directory: no room.*; move .*/data away"):
            await kept.up()
        assert (kept.monitor.phase, kept.monitor.wanted) == (Phase.OFF, False)


async def test_a_folder_that_cannot_be_used_is_told(desk: Desk) -> None:
    """A file in its place, say."""
    desk.paths.monitor.write_text("no folder")
    async with desk.keeper() as kept:
        with pytest.raises(MonitorError, match=f"{desk.paths.monitor} cannot be used: .*move it away"):
            await kept.up()


async def test_one_that_is_killed_is_started_again(desk: Desk) -> None:
    async with desk.keeper() as kept:
        await kept.up()
        first = kept.pid
        assert first
        os.kill(first, signal.SIGKILL)
        await comes_true(lambda: kept.pid not in (None, first), "another one runs")
        await is_in(kept, Phase.RUNNING)
        assert kept.monitor.crashes == 1


async def test_one_that_cannot_go_on_is_given_up_until_somebody_asks(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some ends in a row; the reason stays."""
    async with desk.keeper() as kept:
        await kept.up()
        assert kept.pid
        monkeypatch.setenv(BEHAVIOUR_ENV, "fail")
        os.kill(kept.pid, signal.SIGKILL)
        await is_in(kept, Phase.FAILED)
        assert "no room" in kept.monitor.reason

        monkeypatch.delenv(BEHAVIOUR_ENV)
        await kept.up()
        assert (kept.monitor.phase, kept.monitor.reason) == (Phase.RUNNING, "")


async def test_one_that_does_not_listen_to_term_is_killed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BEHAVIOUR_ENV, "ignore_term")
    async with desk.keeper() as kept:
        await kept.up()
        pid = kept.pid
        assert pid
        await kept.down()
        assert not is_alive(pid)


async def test_one_that_never_answers_is_ended(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asked for it is told."""
    monkeypatch.setenv(BEHAVIOUR_ENV, "silent")
    monkeypatch.setattr(prometheus, "READY_TIMEOUT_S", 1.0)
    async with desk.keeper() as kept:
        with pytest.raises(SupervisorError):
            await kept.up()
        await is_in(kept, Phase.OFF)
        assert kept.pid is None


async def test_the_next_supervisor_finds_it(desk: Desk) -> None:
    """By pid and start time; it is the same process, and looked after as before."""
    async with desk.keeper() as kept:
        await kept.up()
        pid = kept.pid
    async with desk.keeper() as following:
        await is_in(following, Phase.RUNNING)
        assert following.pid == pid
        assert pid
        os.kill(pid, signal.SIGKILL)
        await comes_true(lambda: following.pid not in (None, pid), "another one runs")


async def test_the_next_supervisor_starts_it_when_it_is_gone(desk: Desk) -> None:
    """It is wanted, until somebody says otherwise."""
    async with desk.keeper() as kept:
        await kept.up()
        await kept.stop()
        assert kept.pid is None
    async with desk.keeper() as following:
        await is_in(following, Phase.RUNNING)


async def test_one_that_the_journal_does_not_know_is_found_by_its_data(desk: Desk) -> None:
    """The supervisor may end between the start and the record of it."""
    async with desk.keeper() as kept:
        await kept.up()
        pid = kept.pid
    desk.journal.remember("monitor", {"wanted": True, "pid": None, "created_at": 0.0})
    async with desk.keeper() as following:
        await is_in(following, Phase.RUNNING)
        assert following.pid == pid


async def test_one_that_runs_is_wanted_where_the_journal_is_new(desk: Desk) -> None:
    """A lost journal must not leave one behind that nobody looks after."""
    async with desk.keeper() as kept:
        await kept.up()
        pid = kept.pid
    desk.journal.remember("monitor", None)
    async with desk.keeper() as following:
        await is_in(following, Phase.RUNNING)
        assert (following.pid, following.monitor.wanted) == (pid, True)


async def test_another_process_with_its_pid_is_left_alone(desk: Desk) -> None:
    """Pids are used again."""
    desk.journal.remember("monitor", {"wanted": True, "pid": os.getpid(), "created_at": 1.0})
    async with desk.keeper() as kept:
        await is_in(kept, Phase.RUNNING)
        assert kept.pid != os.getpid()


async def test_one_with_other_settings_is_replaced(desk: Desk) -> None:
    """The configuration was edited between two supervisors."""
    async with desk.keeper() as kept:
        await kept.up()
        old = kept.pid
    edited = desk.config.model_copy(update={"monitor": desk.config.monitor.model_copy(update={"retention": "48h"})})
    async with desk.keeper(edited) as following:
        await is_in(following, Phase.RUNNING)
        assert old and following.pid != old and not is_alive(old)
        assert "--storage.tsdb.retention.time=48h" in psutil.Process(following.pid).cmdline()


async def test_one_that_was_to_be_stopped_when_the_supervisor_ended_is_stopped(desk: Desk) -> None:
    async with desk.keeper() as kept:
        await kept.up()
        pid = kept.pid
        assert pid
    started = processes.started_at(psutil.Process(pid))
    desk.journal.remember("monitor", {"wanted": False, "pid": pid, "created_at": started})
    async with desk.keeper() as following:
        await comes_true(lambda: not is_alive(pid), "it is gone")
        assert following.monitor.phase is Phase.OFF


async def test_one_that_is_in_the_way_ends_and_comes_back(desk: Desk) -> None:
    """As soon as there is room again, and not before."""
    async with desk.keeper() as kept:
        await kept.up()
        pid = kept.pid
        desk.room = Refused("no room", code="memory_short")
        await kept.give_way("a deployment needs it")
        assert pid and not is_alive(pid)
        assert (kept.monitor.phase, kept.monitor.wanted) == (Phase.WAITING, True)
        await comes_true(lambda: kept.monitor.reason == "no room", "it was tried")

        desk.room = None
        await is_in(kept, Phase.RUNNING)


async def test_giving_way_when_it_does_not_run_is_nothing(desk: Desk) -> None:
    async with desk.keeper() as kept:
        await asyncio.wait_for(kept.give_way("a deployment needs it"), 5)
        assert kept.monitor.phase is Phase.OFF


async def test_a_journal_that_cannot_be_written_does_not_hold_it_up(desk: Desk) -> None:
    """A full disk is trouble enough."""

    class Full:
        def publish(self, record: rec.Record) -> None:
            raise JournalError("full")

    kept = Keeper(desk.config, desk.paths, desk.journal, (Full(), desk))
    kept.open()
    try:
        await kept.up()
        await kept.down()
    finally:
        await kept.close()
    assert desk.records, "those after it are told"


async def test_a_defect_is_told_and_the_next_event_is_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a loop of its own: nobody who serves notices."""
    decided = decide.decide

    def broken(*arguments: object) -> object:
        monkeypatch.setattr(keeping, "decide", decided)
        raise RuntimeError("a defect")

    async with desk.keeper() as kept:
        await kept.give_way("")
        monkeypatch.setattr(keeping, "decide", broken)
        await kept.down()
        await kept.up()
        assert kept.monitor.phase is Phase.RUNNING


async def test_who_waits_for_one_that_another_has_stopped_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It did not fail; the last words of a process that was told to end are no reason."""
    monkeypatch.setenv(BEHAVIOUR_ENV, "silent")
    async with desk.keeper() as kept:
        waiting = asyncio.create_task(kept.up())
        await comes_true(lambda: kept.process, "it was started")
        await kept.down()

        with pytest.raises(MonitorError, match="stopped meanwhile"):
            await waiting


async def test_who_waits_when_the_supervisor_ends_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer would hold up the shutdown otherwise; nothing is left running."""
    monkeypatch.setenv(BEHAVIOUR_ENV, "silent")
    async with desk.keeper() as kept:
        waiting = asyncio.create_task(kept.up())
        await comes_true(lambda: kept.process, "it was started")
        process = kept.process
        await kept.stop()

        async with asyncio.timeout(5):
            with pytest.raises(MonitorError, match="the supervisor ends"):
                await waiting
            with pytest.raises(MonitorError, match="the supervisor ends"):
                await kept.down()
        assert process and not is_alive(process.pid)


async def test_the_report_of_one_that_runs(desk: Desk) -> None:
    """Process, memory, disk; and in short for the status of the whole."""
    async with desk.keeper() as kept:
        report = MonitorReporter(kept)
        assert report.noteworthy() is None
        await kept.up()
        (desk.paths.monitor / "data" / "block").write_bytes(bytes(100_000))
        found, brief = await report.full(), report.noteworthy()

        assert (found.state, found.pid, found.url) == ("running", kept.pid, f"http://{desk.config.monitor.listen}")
        assert found.private_bytes and found.rss_bytes and found.data_bytes and found.data_bytes >= 100_000
        assert brief and (brief.pid, brief.data_bytes) == (kept.pid, None)
        assert found.alerts == []


async def test_the_alerts_of_one_that_hangs_are_not_known(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """None that fire would be another thing."""
    monkeypatch.setattr(monitor_report, "TIMEOUT_S", 0.2)
    async with desk.keeper() as kept:
        await kept.up()
        assert kept.process
        kept.process.suspend()
        found = await MonitorReporter(kept).full()
        kept.process.resume()

        assert (found.state, found.alerts) == ("running", None)
