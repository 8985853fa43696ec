"""Log files: bounded, and readable to the last line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
import structlog

from supervisor import logs


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "ROTATE_BYTES", 100)


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """structlog is configured once for a process and keeps its file open; tests put it back and close the file."""
    before, opened = structlog.get_config(), list[BinaryIO]()

    def open_log(path: Path) -> BinaryIO:
        opened.append(original(path))
        return opened[-1]

    original = logs.open_log
    monkeypatch.setattr(logs, "open_log", open_log)
    yield
    structlog.configure(**before)
    for file in opened:
        file.close()


def test_a_log_is_appended_to(folder: Path) -> None:
    """What an earlier process said stays."""
    path = folder / "x.log"
    for text in (b"one\n", b"two\n"):
        with logs.open_log(path) as file:
            file.write(text)
    assert path.read_bytes() == b"one\ntwo\n"


@pytest.mark.usefixtures("small")
def test_a_log_that_has_grown_is_moved_aside_when_it_is_opened(folder: Path) -> None:
    """Not before: whoever has it open goes on writing to it."""
    path = folder / "x.log"
    path.write_bytes(b"a" * 100)
    logs.open_log(path).close()
    assert [found.name for found in folder.iterdir()] == ["x.log"]
    path.write_bytes(b"a" * 101)
    logs.open_log(path).close()

    assert path.read_bytes() == b""
    assert (folder / "x.log.1").read_bytes() == b"a" * 101


def test_a_few_old_logs_are_kept(folder: Path) -> None:
    """The oldest goes."""
    path = folder / "x.log"
    for number in range(6):
        path.write_text(str(number))
        logs.rotate(path)

    assert {found.name: found.read_text() for found in folder.iterdir()} == {
        "x.log.1": "5",
        "x.log.2": "4",
        "x.log.3": "3",
    }


def test_rotating_what_is_not_there_changes_nothing(folder: Path) -> None:
    """Not the older ones either, as far as they need not move."""
    (folder / "x.log.3").write_text("old")
    logs.rotate(folder / "x.log")
    assert [found.name for found in folder.iterdir()] == ["x.log.3"]


def test_the_last_lines(folder: Path) -> None:
    """As many as asked for, whatever bytes a process wrote; none where there is no log."""
    path = folder / "x.log"
    assert logs.last_lines(path, 5) == []
    path.write_bytes(b"1\n2\n\xff3\nunfinished")

    assert logs.last_lines(path, 2) == ["\ufffd3", "unfinished"]
    assert logs.last_lines(path, 100) == ["1", "2", "\ufffd3", "unfinished"]


@pytest.mark.usefixtures("restored")
def test_our_own_log_is_json_lines(folder: Path) -> None:
    """With level, time and what went wrong."""
    path = folder / "supervisor.log"
    logs.configure(path)
    log = structlog.get_logger()
    log.info("WorkerBegan", color="blue", text="zwölf\nzeilen")
    try:
        raise ValueError("a defect")
    except ValueError:
        log.exception("step_crashed")
    first, second = (json.loads(line) for line in path.read_text().splitlines())

    assert (first["event"], first["level"], first["color"], first["text"]) == (
        *("WorkerBegan", "info", "blue", "zwölf\nzeilen"),
    )
    assert first["timestamp"].endswith("Z")
    assert "ValueError: a defect" in second["exception"]


@pytest.mark.usefixtures("restored", "small")
def test_our_own_log_rotates_itself(folder: Path) -> None:
    """No line is lost or split, and the disk does not fill."""
    logs.configure(folder / "supervisor.log")
    log = structlog.get_logger()
    for number in range(3):
        log.info("x" * 40, number=number)
    lines = [line for path in folder.iterdir() for line in path.read_text().splitlines()]

    assert len(list(folder.iterdir())) > 1
    assert sorted(json.loads(line)["number"] for line in lines) == [0, 1, 2]


def test_a_log_that_another_process_holds_open_is_emptied_in_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers and nginx append to the file they have: it stays theirs."""
    monkeypatch.setattr(logs, "ROTATE_BYTES", 10)
    path = folder / "worker.log"
    with path.open("ab", buffering=0) as held:
        for text in (b"the first lines\n", b"the second lines\n", b"new\n"):
            held.write(text)
            logs.rotate_in_place(path)

    assert path.read_text() == "new\n"
    assert (folder / "worker.log.1").read_text() == "the second lines\n"
    assert (folder / "worker.log.2").read_text() == "the first lines\n"
    logs.rotate_in_place(folder / "nobody's.log")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_costs_lines_and_nothing_else(folder: Path) -> None:
    """Whoever logs goes on."""
    log = folder / "x.log"
    log.symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"), log.open("wb", buffering=0) as file:
        file.write(b"refused")
    ours = logs.RotatingFile(log)
    ours.write("lost\n")
    ours._file.close()
