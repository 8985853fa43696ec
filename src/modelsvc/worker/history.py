"""Conversations in SQLite. Both colours use the same file at the same time, so a conversation crosses a swap.

All access is on one thread of its own: SQLite calls block, and one connection suffices. A turn is two messages in one
transaction: it is there whole or not at all.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from modelsvc.worker.errors import BadHistory

# One list of statements leads from each version to the next.
_MIGRATIONS = (
    (
        """CREATE TABLE message (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            user_id TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
            content TEXT NOT NULL,
            created_at TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX message_of_user ON message (user_id, id)",
    ),
    (
        "ALTER TABLE message ADD COLUMN request_id TEXT",
        """CREATE UNIQUE INDEX message_of_request ON message (user_id, request_id, role)
           WHERE request_id IS NOT NULL""",
    ),
)
SCHEMA_VERSION = len(_MIGRATIONS)
BUSY_TIMEOUT_MS = 10_000
ERASE_TIMEOUT_S = 10.0
ERASE_PAUSE_S = 0.05

T = TypeVar("T")


class NotErased(Exception):
    """Deleted, but the text may still be in the log's file."""


class StoredMessage(NamedTuple):
    role: str
    content: str
    created_at: str


class History:
    def __init__(self, path: Path) -> None:
        """Raises BadHistory when the file cannot be opened or is not a chat database of this version."""
        try:
            self._connection = _open(path)
        except (sqlite3.Error, OSError) as error:
            raise BadHistory(f"cannot use the chat database {path}: {error}") from error
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="history")

    async def read(self, user_id: str, latest: int | None = None) -> list[StoredMessage]:
        """A user's messages, oldest first; all of them, or the `latest` so many."""
        return await self._run(lambda: self._read(user_id, -1 if latest is None else latest))

    async def append_turn(self, user_id: str, message: str, answer: str, request_id: str | None = None) -> None:
        """Add a turn; one of that request is not added twice, for the edge may have sent the request twice."""
        await self._run(lambda: self._append(user_id, (("user", message), ("assistant", answer)), request_id))

    async def forget(self, user_id: str) -> int:
        """Delete a user's messages, overwriting them on disk; returns how many there were.

        Raises NotErased when they are deleted, but others keep the log from being emptied.
        """
        deleted = await self._run(lambda: self._forget(user_id))
        deadline = time.monotonic() + ERASE_TIMEOUT_S
        while not await self._run(self._empty_log):
            if time.monotonic() > deadline:
                raise NotErased
            await asyncio.sleep(ERASE_PAUSE_S)
        return deleted

    async def close(self) -> None:
        await self._run(self._connection.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _read(self, user_id: str, latest: int) -> list[StoredMessage]:
        query = "SELECT role, content, created_at FROM message WHERE user_id = ? ORDER BY id DESC LIMIT ?"
        return [StoredMessage(*row) for row in self._connection.execute(query, (user_id, latest))][::-1]

    def _append(self, user_id: str, messages: tuple[tuple[str, str], ...], request_id: str | None) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self._connection:
            self._connection.executemany(
                "INSERT INTO message (user_id, role, content, created_at, request_id) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (user_id, request_id, role) WHERE request_id IS NOT NULL DO NOTHING",
                [(user_id, role, content, now, request_id) for role, content in messages],
            )

    def _forget(self, user_id: str) -> int:
        with self._connection:
            return self._connection.execute("DELETE FROM message WHERE user_id = ?", (user_id,)).rowcount

    def _empty_log(self) -> bool:
        """The log holds deleted text until then. False while others read or write: they are not waited for in here."""
        self._connection.execute("PRAGMA busy_timeout = 0")
        try:
            (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            return False
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        return not busy


def _open(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)  # SQLite gives its side files the same mode
    connection = sqlite3.connect(path, timeout=10, check_same_thread=False)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA secure_delete = ON")
    if _version(connection) != SCHEMA_VERSION:
        _migrate(connection)
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection) -> None:
    """Both colours may begin at once: whoever is second finds it done."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        version = _version(connection)
        if version > SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"its schema has version {version}, this program knows {SCHEMA_VERSION}")
        for statements in _MIGRATIONS[version:]:
            for statement in statements:
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
