"""The journal's file: SQLite, synced to disk at each write, checked and brought up to date when it is opened."""

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from supervisor.errors import JournalCorrupt, JournalError
from supervisor.files import sync_folder
from supervisor.journal.reserve import Reserve, is_full

SCHEMA_VERSION = 3
SCHEMA = """
CREATE TABLE IF NOT EXISTS deployments (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, from_color TEXT, to_color TEXT NOT NULL, release INTEGER,
    started_at REAL NOT NULL, finished_at REAL, outcome TEXT, reason TEXT NOT NULL DEFAULT '',
    because TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS steps (
    deployment INTEGER NOT NULL REFERENCES deployments(id), number INTEGER NOT NULL, state TEXT NOT NULL,
    started_at REAL NOT NULL, seconds REAL, detail TEXT NOT NULL DEFAULT '', evidence TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (deployment, number)
);
CREATE TABLE IF NOT EXISTS workers (
    worker_id TEXT PRIMARY KEY, color TEXT NOT NULL, pid INTEGER NOT NULL, created_at REAL NOT NULL,
    release INTEGER NOT NULL, started_at REAL NOT NULL, ended_at REAL, code INTEGER, expected INTEGER,
    reason TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS observations (
    deployment INTEGER PRIMARY KEY REFERENCES deployments(id), at REAL NOT NULL, model_sha256 TEXT NOT NULL,
    architecture TEXT NOT NULL, package_version TEXT NOT NULL, settings TEXT NOT NULL, formula_bytes INTEGER NOT NULL,
    measured_bytes INTEGER NOT NULL
);
"""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# What an older journal lacks besides tables, which SCHEMA makes by itself; by the version that came with it.
MIGRATIONS = {
    2: "ALTER TABLE steps ADD COLUMN evidence TEXT NOT NULL DEFAULT '{}'",
    3: "ALTER TABLE deployments ADD COLUMN because TEXT NOT NULL DEFAULT ''",
}


class Database:
    """One SQLite file. Every method raises JournalError when the file cannot be read or written."""

    def __init__(self, path: Path, reserve: Reserve | None = None) -> None:
        """`reserve` is given up when the disk is full."""
        self._path, self._reserve = path, reserve
        self._moving = False  # the copy beside the path, or at it by now, is all there is
        version = self._open()
        self.fresh = not version  # there was none, or an empty file

    def _open(self) -> int:
        """The version that the file had."""
        try:
            self._db = sqlite3.connect(self._path, isolation_level=None)
        except sqlite3.Error as error:
            raise self._broken("opened", error) from error
        try:
            self._db.row_factory = sqlite3.Row
            version = self._check_version()
            self._check_pages()
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._migrate(version)
            self._file = self._path.stat() if self._path.exists() else None  # a journal in memory has none
            return version
        except sqlite3.Error as error:
            self._db.close()
            raise self._broken("opened", error) from error
        except JournalError:
            self._db.close()  # else its end would remove the side files of the next one by their names
            raise

    def close(self) -> None:
        self._db.close()

    def is_in_place(self) -> bool:
        """Whether the file that is written to is the one at the path, and its log beside it."""
        return self._is_ours() and _side(self._path, "-wal").exists()

    def recreate(self) -> None:
        """Write the file anew, where it was removed; what was put in its place is set aside.

        Where that fails on its way it goes on from there when it is called again.
        """
        beside = _side(self._path, ".new")
        try:
            if not self._moving:
                beside.unlink(missing_ok=True)
                with closing(sqlite3.connect(beside)) as copy:
                    self._db.backup(copy)
                self._db.close()  # before the next one is there: its end removes side files by their names
                self._moving = True
            if beside.exists():
                self._put_in_place(beside)
            sync_folder(self._path.parent)
        except sqlite3.Error as error:
            raise self._broken("written", error) from error
        except OSError as error:
            raise JournalError(f"the journal {self._path} cannot be written: {error.strerror}") from error
        self._open()
        self._moving = False

    def _put_in_place(self, copy: Path) -> None:
        if self._path.exists() and not self._is_ours():
            self._path.replace(_side(self._path, f".replaced-{time.time_ns()}"))
        for name in ("-wal", "-shm"):
            _side(self._path, name).unlink(missing_ok=True)
        copy.replace(self._path)

    def _is_ours(self) -> bool:
        with suppress(OSError):
            return self._file is not None and os.path.samestat(self._path.stat(), self._file)
        return False

    def run(self, sql: str, values: tuple[Any, ...]) -> None:
        """A statement that changes something: on disk on return."""
        try:
            self._db.execute(sql, values)
        except sqlite3.Error as error:
            if self._reserve and is_full(error) and self._reserve.give_up():
                self.run(sql, values)
            else:
                raise self._broken("written", error) from error

    def rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        """What a query finds."""
        try:
            with closing(self._db.execute(sql, values)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            raise self._broken("read", error) from error

    def _migrate(self, version: int) -> None:
        """All or nothing, so that a crash in between leaves the older journal. A new file has version 0."""
        missing = [MIGRATIONS[newer] for newer in range(version + 1, SCHEMA_VERSION + 1) if newer in MIGRATIONS]
        steps = missing if version else []
        script = ";".join([*steps, SCHEMA, f"PRAGMA user_version={SCHEMA_VERSION}"])
        self._db.executescript(f"BEGIN IMMEDIATE;{script};COMMIT")

    def _check_version(self) -> int:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise JournalError(
                f"the journal {self._path} has version {version}, and this modelsvc knows {SCHEMA_VERSION} at most:"
                " install the newer modelsvc again, or move the file away to begin a new journal"
            )
        return version

    def _check_pages(self) -> None:
        """Damage that would only be met later, at a write that must not fail."""
        said = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise self._corrupt(said)

    def _broken(self, done: str, error: sqlite3.Error) -> JournalError:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED:  # the module's own errors have none
            return self._corrupt(str(error))
        return JournalError(
            f"the journal {self._path} cannot be {done}: {error};"
            " free the disk, or end whoever else has it open; else move the file away to begin a new one"
        )

    def _corrupt(self, why: str) -> JournalCorrupt:
        return JournalCorrupt(
            f"the journal {self._path} is damaged: {why}; workers and nginx go on as they are, and the next"
            " `modelsvc up` sets the file aside and takes them up"
        )


def _side(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
