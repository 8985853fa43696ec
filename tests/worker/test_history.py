"""Conversations in SQLite: whole turns, two processes at once, nothing left after forgetting."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from modelsvc.worker.errors import BadHistory
from modelsvc.worker.history import History


async def test_turns_come_back_in_order_and_by_user(tmp_path: Path) -> None:
    history = History(tmp_path / "chat.db")
    await history.append_turn("ada", "one", "two")
    await history.append_turn("bob", "x", "y")
    await history.append_turn("ada", "three", "four")
    assert [(m.role, m.content) for m in await history.read("ada")] == [
        ("user", "one"),
        ("assistant", "two"),
        ("user", "three"),
        ("assistant", "four"),
    ]
    assert [m.content for m in await history.read("ada", latest=2)] == ["three", "four"]
    assert await history.read("nobody") == []
    await history.close()


async def test_both_colours_write_at_once(tmp_path: Path) -> None:
    """The second waits for the first instead of failing."""
    blue, green = History(tmp_path / "chat.db"), History(tmp_path / "chat.db")
    await asyncio.gather(*(side.append_turn("ada", str(i), "ok") for i in range(50) for side in (blue, green)))
    assert len(await green.read("ada")) == 200
    await blue.close()
    await green.close()


async def test_forgetting_leaves_no_trace_in_the_files(tmp_path: Path) -> None:
    """Neither in the database nor in its log."""
    history = History(tmp_path / "chat.db")
    await history.append_turn("ada", "the-secret-word", "noted")
    assert await history.forget("ada") == 2
    assert await history.forget("ada") == 0
    for path in tmp_path.iterdir():
        assert b"the-secret-word" not in path.read_bytes(), path
    await history.close()


async def test_a_turn_that_fails_half_way_is_not_there(tmp_path: Path) -> None:
    history = History(tmp_path / "chat.db")
    with pytest.raises(sqlite3.Error):
        await history.append_turn("ada", "fine", None)  # type: ignore[arg-type]
    assert await history.read("ada") == []
    await history.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chat.db"
    path.write_text("no database " * 100)
    with pytest.raises(BadHistory, match="cannot use the chat database"):
        History(path)


def test_a_database_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """An older program must not write into it."""
    path = tmp_path / "chat.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(BadHistory, match="version 99"):
        History(path)
