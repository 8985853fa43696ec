"""The lock on the state folder: one has it, and those who look keep nobody from it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from supervisor import lock
from supervisor.errors import AlreadyRunning
from supervisor.protocol import ExitCode

LOOKERS, STARTS = 3, 300
# As the doctor, `service install` and `up --detach` do, but without end. It looks as soon as it says so.
HAMMER = """
import sys; from pathlib import Path; from supervisor.lock import is_held
path = Path(sys.argv[1]); is_held(path); print("looks", flush=True)
while True: is_held(path)
"""
STARTER = """
import sys; from pathlib import Path; from supervisor import errors, lock
sys.stdin.readline()
try: held = lock.take(Path(sys.argv[1])); print("has it", flush=True)
except errors.AlreadyRunning: print("refused", flush=True)
sys.stdin.readline()
"""
STARTER_OF_OLD = """
import fcntl, sys
file = open(sys.argv[1], "a+"); fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB); print("has it", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").touch()
    return tmp_path / "run" / "lock"


@contextmanager
def running(script: str, path: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_is_had_by_one(path: Path) -> None:
    """The other one is told who; the first one's death, however it came, gives it back."""
    with running(STARTER, path) as first:
        assert first.stdin is not None and first.stdout is not None
        first.stdin.write("go\n")
        first.stdin.flush()
        assert first.stdout.readline() == "has it\n"
        assert lock.holder(path) == first.pid
        with pytest.raises(
            AlreadyRunning, match=rf"\(pid {first.pid}\) runs on {path.parent.parent} already"
        ) as caught:
            lock.take(path)
        assert caught.value.exit_code is ExitCode.REFUSED
        first.kill()
        first.wait()
    assert not lock.is_held(path) and lock.holder(path) == 0
    with lock.take(path):
        assert lock.holder(path) == os.getpid()


def test_one_that_has_not_written_its_pid_is_one(path: Path) -> None:
    """It has just begun."""
    with lock.take(path) as held:
        held.file.truncate(0)
        assert lock.holder(path) == -1


def test_those_who_look_keep_nobody_from_it(path: Path) -> None:
    """However often they do."""
    with ExitStack() as stack:
        lookers = [stack.enter_context(running(HAMMER, path)) for _ in range(LOOKERS)]
        for looker in lookers:
            assert looker.stdout is not None and looker.stdout.readline() == "looks\n"
        for _ in range(STARTS):
            lock.take(path).close()
        assert all(looker.poll() is None for looker in lookers)


def test_of_many_that_begin_at_once_one_has_it(path: Path) -> None:
    """Also while somebody looks: each looks itself before it gives up."""
    with ExitStack() as stack:
        stack.enter_context(running(HAMMER, path))
        starters = [stack.enter_context(running(STARTER, path)) for _ in range(4)]
        for go in starters:
            assert go.stdin is not None
            go.stdin.write("go\n")
            go.stdin.flush()
        said = sorted(each.stdout.readline().strip() for each in starters if each.stdout)
    assert said == ["has it", *["refused"] * 3]


def test_it_is_held_also_when_its_file_was_removed(path: Path) -> None:
    """Who begins then is refused, and leaves nothing that the holder could not make anew."""
    with running(STARTER, path) as first:
        assert first.stdin is not None and first.stdout is not None
        first.stdin.write("go\n")
        first.stdin.flush()
        assert first.stdout.readline() == "has it\n"
        path.unlink()
        path.parent.rmdir()
        assert (lock.is_held(path), lock.holder(path)) == (True, -1)
        path.parent.mkdir()
        with pytest.raises(AlreadyRunning, match="pid unknown"):
            lock.take(path)
        assert lock.holder(path) == -1
    assert not lock.is_held(path)


def test_the_file_is_made_anew(path: Path) -> None:
    """By its holder, unless somebody else has one there: an older supervisor, which knows of nothing else."""
    with lock.take(path) as held:
        assert held.is_in_place()
        path.unlink()
        assert not held.is_in_place()
        with running(STARTER_OF_OLD, path) as older:
            assert older.stdout is not None and older.stdout.readline() == "has it\n"
            with pytest.raises(AlreadyRunning):
                held.recreate()
            older.kill()
            older.wait()
        held.recreate()
        assert held.is_in_place() and lock.holder(path) == os.getpid()


def test_an_older_supervisor_is_heeded(path: Path) -> None:
    """It holds the file alone."""
    with running(STARTER_OF_OLD, path) as older:
        assert older.stdout is not None and older.stdout.readline() == "has it\n"
        with pytest.raises(AlreadyRunning):
            lock.take(path)


def test_who_bars_it_keeps_everybody_out_and_leaves_no_trace(path: Path) -> None:
    """Also where the folder of releases is a link that leads nowhere; where somebody lives it cannot be barred."""
    (path.parent.parent / "releases").symlink_to("nowhere")
    with lock.bar(path), pytest.raises(AlreadyRunning):
        lock.take(path)
    assert path.read_text() == ""
    (path.parent.parent / "releases").unlink()
    with lock.take(path):
        path.rename(path.with_name("removed"))
        with pytest.raises(AlreadyRunning):
            lock.bar(path)
