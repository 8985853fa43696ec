"""Real processes: started in sessions of their own, watched, stopped in time, and found again."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from disposable.processes import is_alive

from supervisor import processes
from supervisor.core.state import Color
from supervisor.errors import WorkerError
from supervisor.patience import eventually
from supervisor.workers.process import WorkerCommand, WorkerProcesses

BLUE = Color.BLUE
DEADLINE_S = 10
HEADER = "import os, signal, sys, time\n"
OBEDIENT = HEADER + "print('up', flush=True)\ntime.sleep(60)\n"
STUBBORN = HEADER + "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(60)\n"
GRACEFUL = HEADER + "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nprint('up', flush=True)\ntime.sleep(60)\n"


class Workers:
    """Worker processes in a folder, and how each ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ends: list[tuple[str, int | None]] = []
        self.processes = WorkerProcesses(folder, folder / "notify.sock", lambda *end: self.ends.append(end))

    def spawn(self, script: str, worker_id: str = "blue-1") -> psutil.Process:
        return self.processes.spawn(self.command((sys.executable, "-c", script), worker_id))

    def command(self, program: tuple[str, ...], worker_id: str = "blue-1") -> WorkerCommand:
        return WorkerCommand(BLUE, worker_id, 8000, self.folder / "0001.toml", self.folder / "chat.db", program=program)

    @property
    def log(self) -> str:
        path = self.folder / "worker-blue.log"
        return path.read_text() if path.exists() else ""

    async def says(self, text: str) -> None:
        await until(lambda: text in self.log, f"it says {text!r}")

    async def end(self, worker_id: str = "blue-1") -> int | None:
        """How the worker ended, once it was told, exactly once."""
        await until(lambda: worker_id in dict(self.ends), f"the end of {worker_id} is told")
        await asyncio.sleep(0)
        assert [name for name, _ in self.ends].count(worker_id) == 1
        return dict(self.ends)[worker_id]


async def until(look: Callable[[], object], what: str) -> None:
    async def seen() -> bool:
        return bool(look())

    assert await eventually(seen, DEADLINE_S), f"after {DEADLINE_S:g} s still not: {what}"


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Whatever would open a file fails meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            os.open(os.devnull, os.O_RDONLY)
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
async def workers(folder: Path) -> AsyncIterator[Workers]:
    workers = Workers(folder)
    yield workers
    for worker_id in list(workers.processes._running):
        await workers.processes.stop(worker_id, 0)


async def test_a_worker_is_told_everything_on_its_command_line(workers: Workers) -> None:
    """And by its environment where to announce itself; its output goes to the colour's log."""
    workers.spawn("import os, sys\nprint(sys.argv[1:], os.environ['NOTIFY_SOCKET'])\nprint('bad', file=sys.stderr)")
    assert await workers.end() == 0

    release, history = str(workers.folder / "0001.toml"), str(workers.folder / "chat.db")
    asked = ["--release", release, "--color", "blue", "--port", "8000", "--chat-db", history, "--worker-id", "blue-1"]
    assert f"{asked} {workers.folder / 'notify.sock'}" in workers.log
    assert "bad" in workers.log


async def test_a_worker_has_a_session_of_its_own(workers: Workers) -> None:
    """So that it goes on when the supervisor or its terminal ends."""
    process = workers.spawn(OBEDIENT)

    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid != os.getsid(0)
    assert workers.processes.process("blue-1") is process
    assert workers.processes.process("green-2") is None
    assert workers.processes.process(None) is None


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("raise SystemExit(0)", 0),
        ("raise SystemExit(3)", 3),
        (HEADER + "os.kill(os.getpid(), signal.SIGKILL)", -9),
        (HEADER + "signal.signal(signal.SIGSEGV, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGSEGV)", -11),
    ],
)
async def test_every_end_is_reported_once(workers: Workers, script: str, code: int) -> None:
    """With its exit code, or minus the signal."""
    workers.spawn(script)
    assert await workers.end() == code
    assert workers.processes.process("blue-1") is None


async def test_a_worker_that_obeys_ends_at_once(workers: Workers) -> None:
    """TERM, and it goes; `stop` returns when it is gone."""
    process = workers.spawn(OBEDIENT)
    await workers.says("up")
    await workers.processes.stop("blue-1", 10)

    assert await workers.end() == -signal.SIGTERM
    assert not process.is_running()


async def test_a_worker_may_end_in_its_own_way(workers: Workers) -> None:
    """TERM asks; the exit code is the worker's."""
    workers.spawn(GRACEFUL)
    await workers.says("up")
    await workers.processes.stop("blue-1", 10)
    assert await workers.end() == 7


async def test_a_worker_that_ignores_term_is_killed_at_the_deadline(workers: Workers) -> None:
    """Not before it."""
    workers.spawn(STUBBORN)
    await workers.says("up")
    started = time.monotonic()
    await workers.processes.stop("blue-1", 0.2)

    assert time.monotonic() - started >= 0.2
    assert await workers.end() == -signal.SIGKILL


async def test_without_patience_a_worker_is_killed_at_once(workers: Workers) -> None:
    """One that is not ready in time gets no more."""
    workers.spawn(GRACEFUL)
    await workers.says("up")
    await workers.processes.stop("blue-1", 0)
    assert await workers.end() == -signal.SIGKILL


async def test_the_workers_children_end_with_it(workers: Workers) -> None:
    """The signals go to its whole group."""
    child = "import time; time.sleep(60)"
    workers.spawn(
        HEADER + f"import subprocess\nchild = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "print('child', child.pid, flush=True)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)"
    )
    await until(lambda: workers.log.endswith("\n"), "the child's pid is told")
    pid = int(workers.log.split()[1])
    await workers.processes.stop("blue-1", 0)

    await until(lambda: not is_alive(pid), "the child has ended")


async def test_a_worker_that_is_stopped_several_times_ends_once(workers: Workers) -> None:
    """All of them wait for its end."""
    workers.spawn(OBEDIENT)
    await workers.says("up")
    await asyncio.gather(*(workers.processes.stop("blue-1", 5) for _ in range(3)))
    assert await workers.end() == -signal.SIGTERM


async def test_stopping_what_does_not_run_tells_its_end(workers: Workers) -> None:
    """Whoever wants it gone waits for that, and would wait for ever."""
    await workers.processes.stop("blue-1", 1)
    assert await workers.end() is None


async def test_what_cannot_be_started_is_an_error_with_its_reason(workers: Workers) -> None:
    """No process, no end to report; the program or the log cannot be opened."""
    with pytest.raises(WorkerError, match=r"the blue worker cannot be started: .*No such file"):
        workers.processes.spawn(workers.command((str(workers.folder / "missing"),)))
    (workers.folder / "worker-blue.log").unlink()
    (workers.folder / "worker-blue.log").mkdir()
    with pytest.raises(WorkerError, match="cannot be started"):
        workers.spawn(OBEDIENT)
    assert workers.processes.process("blue-1") is None


# --- found again by the next supervisor -------------------------------------------------------------------------------


def orphan() -> psutil.Process:
    """A process whose parent, an earlier supervisor, is gone."""
    starter = (
        "import subprocess, sys\n"
        "nothing = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL, 'start_new_session': True}\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], **nothing).pid)"
    )
    started = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", starter], capture_output=True, text=True, check=True
    )
    return psutil.Process(int(started.stdout))


async def test_a_worker_of_an_earlier_supervisor_is_adopted(workers: Workers) -> None:
    """By pid and start time; it is stopped as any other, but its exit code is nobody's."""
    process = orphan()
    assert workers.processes.adopt("blue-1", process.pid, processes.started_at(process))
    adopted = workers.processes.process("blue-1")
    assert adopted is not None
    assert adopted.pid == process.pid
    await workers.processes.stop("blue-1", 5)

    assert await workers.end() is None
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


async def test_an_adopted_worker_that_dies_is_reported(workers: Workers) -> None:
    """As any other end, without a code."""
    process = orphan()
    workers.processes.adopt("blue-1", process.pid, processes.started_at(process))
    process.kill()
    assert await workers.end() is None


@pytest.mark.parametrize("born", [True, False])
async def test_an_end_is_reported_also_after_a_time_without_descriptors(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, born: bool
) -> None:
    """The system did not tell then whether it lives, so it was not given up."""
    looks, real_look = [], processes.is_alive

    def look(process: psutil.Process) -> bool:
        looks.append(process.pid)
        return real_look(process)

    monkeypatch.setattr(processes, "is_alive", look)
    process = workers.spawn(OBEDIENT) if born else orphan()
    if not born:
        workers.processes.adopt("blue-1", process.pid, processes.started_at(process))
    with no_descriptors():
        assert processes.is_alive(process)
        await until(lambda: born or len(looks) > 3, "it was looked at again")
    assert not workers.ends
    process.kill()
    assert await workers.end() == (-signal.SIGKILL if born else None)


async def test_another_process_with_the_same_pid_is_not_adopted(workers: Workers) -> None:
    """Pids are used again: the start time tells."""
    process = workers.spawn(OBEDIENT, "blue-2")

    assert not workers.processes.adopt("blue-1", process.pid, processes.started_at(process) - 3600)
    assert workers.processes.process("blue-1") is None
    assert processes.find(process.pid, processes.started_at(process)) is not None


async def test_a_process_that_has_ended_is_not_adopted(workers: Workers) -> None:
    """There is nothing to watch."""
    process = workers.spawn("raise SystemExit(0)")
    created = processes.started_at(process)
    await workers.end()
    assert not workers.processes.adopt("blue-1", process.pid, created)


def test_a_dead_process_is_not_found() -> None:
    """Not even while nobody has collected it yet."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        created = processes.started_at(psutil.Process(child.pid))
        assert processes.find(child.pid, created) is not None
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert processes.find(child.pid, created) is None
