"""Conversations in SQLite: whole turns, two processes at once, nothing left after forgetting."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from modelsvc.worker import history as module
from modelsvc.worker.errors import BadHistory
from modelsvc.worker.history import SCHEMA_VERSION, History, NotErased


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


async def test_a_turn_of_the_same_request_is_not_there_twice(tmp_path: Path) -> None:
    """Whichever colour the edge sent it to again; another user's request may have the same id."""
    blue, green = History(tmp_path / "chat.db"), History(tmp_path / "chat.db")
    await blue.append_turn("ada", "one", "first answer", "r1")
    await green.append_turn("ada", "one", "second answer", "r1")
    await green.append_turn("bob", "one", "his answer", "r1")
    await green.append_turn("ada", "one", "third answer", "r2")
    for _ in range(2):
        await blue.append_turn("ada", "unmarked", "answer")
    found = [message.content for message in await green.read("ada")]
    assert found == ["one", "first answer", "one", "third answer", *["unmarked", "answer"] * 2]
    assert len(await blue.read("bob")) == 2
    await blue.close()
    await green.close()


VERSION_1 = """
CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
    content TEXT NOT NULL,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX message_of_user ON message (user_id, id);
INSERT INTO message (user_id, role, content, created_at) VALUES ('ada', 'user', 'old', '2026-01-01T00:00:00.000Z');
PRAGMA user_version = 1;
"""


async def test_a_database_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    """With all that is in it; both colours may find it at the same time."""
    path = tmp_path / "chat.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(VERSION_1)
    blue, green = await asyncio.gather(*(asyncio.to_thread(History, path) for _ in range(2)))
    await green.append_turn("ada", "new", "answer", "r1")
    await blue.append_turn("ada", "new", "answer", "r1")
    assert [message.content for message in await blue.read("ada")] == ["old", "new", "answer"]
    with closing(sqlite3.connect(path)) as found:
        assert found.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
    await blue.close()
    await green.close()


def traces(folder: Path, text: bytes) -> list[str]:
    """Files that hold it."""
    return [path.name for path in folder.iterdir() if text in path.read_bytes()]


async def test_nothing_is_left_when_both_colours_use_the_file(tmp_path: Path) -> None:
    """Among long and short messages of others, written by both, and with both still there."""
    blue, green = History(tmp_path / "chat.db"), History(tmp_path / "chat.db")
    for turn in range(120):
        side = (blue, green)[turn % 2]
        await side.append_turn("ada", f"the-secret-word {'x' * (turn * 97 % 9000)}", "the-secret-word")
        await side.append_turn("bob", "y" * (turn * 53 % 7000), "kept")
    assert traces(tmp_path, b"the-secret-word")
    await blue.read("ada")
    assert await green.forget("ada") == 240
    assert traces(tmp_path, b"the-secret-word") == []
    assert len(await blue.read("bob")) == 240
    await blue.close()
    await green.close()


async def test_a_reader_is_waited_for(tmp_path: Path) -> None:
    """Its snapshot keeps the log; once it is over, nothing is left."""
    history = History(tmp_path / "chat.db")
    await history.append_turn("ada", "the-secret-word", "noted")
    with closing(sqlite3.connect(tmp_path / "chat.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM message").fetchone()
        forgetting = asyncio.create_task(history.forget("ada"))
        while await history.read("ada"):
            await asyncio.sleep(0.01)
        await history.append_turn("bob", "meanwhile", "others go on")
        assert not forgetting.done()
        assert traces(tmp_path, b"the-secret-word")
        reader.execute("COMMIT")
        assert await asyncio.wait_for(forgetting, 10) == 2
    assert traces(tmp_path, b"the-secret-word") == []
    await history.close()


async def test_what_could_not_be_erased_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deleted it is; asking again when the reader is gone erases it."""
    monkeypatch.setattr(module, "ERASE_TIMEOUT_S", 0.1)
    history = History(tmp_path / "chat.db")
    await history.append_turn("ada", "the-secret-word", "noted")
    with closing(sqlite3.connect(tmp_path / "chat.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM message").fetchone()
        with pytest.raises(NotErased):
            await history.forget("ada")
        assert await history.read("ada") == []
    assert await history.forget("ada") == 0
    assert traces(tmp_path, b"the-secret-word") == []
    await history.close()
