"""Conversations in SQLite. Both colours use the same file at the same time, so a conversation crosses a swap.

All access is on one thread of its own: SQLite calls block, and one connection suffices. A turn is two messages in one
transaction: it is there whole or not at all.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from modelsvc.worker.errors import BadHistory

SCHEMA_VERSION = 1
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    content TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS message_of_user ON message (user_id, id);
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""

T = TypeVar("T")


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

    async def append_turn(self, user_id: str, message: str, answer: str) -> None:
        await self._run(lambda: self._append(user_id, (("user", message), ("assistant", answer))))

    async def forget(self, user_id: str) -> int:
        """Delete a user's messages, overwriting them on disk; returns how many there were."""
        return await self._run(lambda: self._forget(user_id))

    async def close(self) -> None:
        await self._run(self._connection.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _read(self, user_id: str, latest: int) -> list[StoredMessage]:
        query = "SELECT role, content, created_at FROM message WHERE user_id = ? ORDER BY id DESC LIMIT ?"
        return [StoredMessage(*row) for row in self._connection.execute(query, (user_id, latest))][::-1]

    def _append(self, user_id: str, messages: tuple[tuple[str, str], ...]) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self._connection:
            self._connection.executemany(
                "INSERT INTO message (user_id, role, content, created_at) VALUES (?, ?, ?, ?)",
                [(user_id, role, content, now) for role, content in messages],
            )

    def _forget(self, user_id: str) -> int:
        with self._connection:
            deleted = self._connection.execute("DELETE FROM message WHERE user_id = ?", (user_id,)).rowcount
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log holds the text until then
        return deleted


def _open(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)  # SQLite gives its side files the same mode
    connection = sqlite3.connect(path, timeout=10, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout = 10000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA secure_delete = ON")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise sqlite3.DatabaseError(f"its schema has version {version}, but this program knows only {SCHEMA_VERSION}")
    if version < SCHEMA_VERSION:
        connection.executescript(_SCHEMA)
    return connection
