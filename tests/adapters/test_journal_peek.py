"""A look into the journal from outside: it finds what is there, and leaves no trace."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.core import records as rec
from supervisor.core.state import Color
from supervisor.errors import JournalCorrupt, JournalError
from supervisor.journal import Journal
from supervisor.journal.peek import peek

ROUTE = rec.RouteChanged(Color.BLUE, 7, 6)
WRITE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from supervisor.core import records as rec
from supervisor.core.state import Color
from supervisor.journal import Journal
journal = Journal(Path(sys.argv[1]))
journal.write(rec.RouteChanged(Color.BLUE, 7, 6))
os.kill(os.getpid(), signal.SIGKILL)
"""


LOOK_AS_ANOTHER = """
import os, sys
from pathlib import Path
from supervisor.errors import JournalError
from supervisor.journal.peek import peek
if not os.geteuid():
    os.seteuid(65534)
try:
    with peek(Path(sys.argv[1])):
        pass
except JournalError as error:
    print(error.code, error.message)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state" / "supervisor.db"


def killed(path: Path) -> None:
    """A journal as a supervisor leaves it that was killed."""
    done = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL


def seen(path: Path) -> int | None:
    with peek(path) as past:
        return past.route().release


def test_the_journal_of_a_running_supervisor(path: Path) -> None:
    """It goes on writing meanwhile, and a later look sees that."""
    journal = Journal(path)
    journal.write(ROUTE)
    files = sorted(path.parent.iterdir())
    with peek(path) as past:
        assert past.route().release == 7
        journal.write(rec.RouteChanged(Color.GREEN, 8, 7))
    assert seen(path) == 8
    assert sorted(path.parent.iterdir()) == files
    journal.close()


def test_the_journal_of_a_supervisor_that_ended(path: Path) -> None:
    """No side files are made beside it."""
    journal = Journal(path)
    journal.write(ROUTE)
    journal.close()
    before = path.read_bytes()
    assert seen(path) == 7
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before


@pytest.mark.parametrize("index_too", [True, False], ids=["whole", "without its index"])
def test_the_journal_of_a_supervisor_that_was_killed(path: Path, index_too: bool) -> None:
    """What is only in the write-ahead log counts."""
    killed(path)
    if not index_too:
        path.with_name(f"{path.name}-shm").unlink()
    files = {file: file.stat().st_size for file in path.parent.iterdir()}
    assert seen(path) == 7
    assert {file: file.stat().st_size for file in path.parent.iterdir()} == files


def test_when_anything_was_last_written(path: Path) -> None:
    journal = Journal(path)
    with peek(path) as past:
        assert past.newest_entry() is None
    journal.write(rec.WorkerBegan(Color.BLUE, "blue-1", 99, 1.0, 1))
    with peek(path) as past, sqlite3.connect(path) as db:
        (started,) = db.execute("SELECT started_at FROM workers").fetchone()
        assert past.newest_entry() == started
    journal.close()


def test_where_there_is_none(path: Path) -> None:
    """A look makes none."""
    with pytest.raises(JournalError) as error, peek(path):
        pass
    assert error.value.code == "no_journal"
    assert list(path.parent.iterdir()) == []


def test_a_damaged_one(path: Path) -> None:
    path.write_bytes(b"This is no database. " * 500)
    with pytest.raises(JournalCorrupt), peek(path):
        pass


@pytest.mark.parametrize(("version", "code"), [(1, "journal_outdated"), (99, "journal_failed")])
def test_one_of_another_version(path: Path, version: int, code: str) -> None:
    """An older one is not brought up to date by a look, a newer one not understood."""
    Journal(path).close()
    with sqlite3.connect(path) as db:
        db.execute(f"PRAGMA user_version={version}")
    db.close()
    shutil.copy(path, path.parent.parent / "before.db")
    with pytest.raises(JournalError) as error, peek(path):
        pass
    assert error.value.code == code
    assert path.read_bytes() == (path.parent.parent / "before.db").read_bytes()


def test_one_in_a_folder_that_may_not_be_entered(path: Path) -> None:
    """Nobody can tell whether it is there."""
    Journal(path).close()
    path.parent.chmod(0o000)
    look = [sys.executable, "-c", LOOK_AS_ANOTHER, str(path)]
    said = subprocess.run(look, capture_output=True, text=True, check=True).stdout
    path.parent.chmod(0o700)
    assert said == f"journal_failed the journal {path} cannot be read: Permission denied; mend its rights\n"
