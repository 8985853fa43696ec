"""A look into the journal without its supervisor: nothing is locked for long, migrated, mended or made."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from supervisor.errors import JournalError
from supervisor.journal.database import SCHEMA_VERSION, Database
from supervisor.journal.past import Past

BUSY_S = 2.0


@contextmanager
def peek(path: Path) -> Iterator[Past]:
    """What the journal at `path` tells, whether its supervisor runs, was killed, or ended in order.

    Raises JournalError when there is none, or when it cannot be read, is damaged, or of another version.
    """
    with _readable(path) as (file, options), closing(_ReadOnly(file, options)) as database:
        database.check()
        yield Past(database)


class _ReadOnly(Database):
    def __init__(self, path: Path, options: str) -> None:
        """Opens what is there. Raises JournalError."""
        self._path, self._reserve = path, None
        try:
            self._db = sqlite3.connect(f"{path.as_uri()}?{options}", uri=True, isolation_level=None, timeout=BUSY_S)
        except sqlite3.Error as error:
            raise self._broken("opened", error) from error
        self._db.row_factory = sqlite3.Row

    def check(self) -> None:
        """Raises JournalError for damage, and for a version of which this one does not know the tables."""
        try:
            version = self._check_version()
            self._check_pages()
        except sqlite3.Error as error:
            raise self._broken("read", error) from error
        if version < SCHEMA_VERSION:
            raise JournalError(
                f"the journal {self._path} has version {version}, and this modelsvc reads {SCHEMA_VERSION}:"
                " start the service once (`modelsvc up`), which brings it up to date",
                code="journal_outdated",
            )


@contextmanager
def _readable(path: Path) -> Iterator[tuple[Path, str]]:
    """A file to open, and how: SQLite would make side files where some are missing, beside a journal at rest too."""
    log, index = (path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm"))
    if not _is_there(path):
        if os.path.lexists(path):
            raise JournalError(f"the journal {path} is no file: move it away to begin a new one")
        raise JournalError(f"there is no journal {path}", code="no_journal")
    if not _is_there(log):
        yield path, "mode=ro&immutable=1"
    elif _is_there(index):
        yield path, "mode=ro"
    else:
        with tempfile.TemporaryDirectory(prefix="modelsvc-journal-") as folder:
            yield _copied(path, log, Path(folder)), "mode=rw"


def _is_there(path: Path) -> bool:
    """Raises JournalError where nobody lets us look."""
    try:
        return path.is_file()
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read: {error.strerror}; mend its rights") from error


def _copied(path: Path, log: Path, folder: Path) -> Path:
    try:
        for file in (path, log):
            shutil.copyfile(file, folder / file.name)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read: {error.strerror}; mend its rights") from error
    return folder / path.name
