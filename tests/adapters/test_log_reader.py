"""Logs are read on where one was, over both kinds of rotation, without a line lost or told twice."""

from pathlib import Path

import pytest

from supervisor import logs
from supervisor.control import log_reader
from supervisor.control.log_reader import NOWHERE, Passage, Place, after, last


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "x.log"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def read_on(path: Path, place: Place) -> tuple[list[str], Place]:
    """Until there is nothing more."""
    lines: list[str] = []
    while (found := after(path, place)).lines:
        lines += found.lines
        place = found.place
    return lines, found.place


def test_what_was_written_since(log: Path) -> None:
    """Whole lines only; what a line breaks off with comes when it is whole."""
    append(log, "1\n2\n3\n")
    first = last(log, 2)
    append(log, "4\nhal")
    more = after(log, first.place)
    append(log, "f\n")

    assert first.lines == ["2", "3"]
    assert more.lines == ["4"]
    assert after(log, more.place).lines == ["half"]


def test_an_unfinished_line_is_shown_and_told_again_when_it_is_whole(log: Path) -> None:
    """The last words of a process that died must not be hidden."""
    append(log, "1\nhal")
    first = last(log, 5)
    append(log, "f\n")

    assert first.lines == ["1", "hal"]
    assert after(log, first.place).lines == ["half"]


@pytest.mark.parametrize("read_meanwhile", [False, True])
def test_a_log_that_was_renamed(log: Path, read_meanwhile: bool) -> None:
    """As the supervisor rotates its own: the rest of the old file comes first."""
    append(log, "1\n")
    place = last(log, 5).place
    append(log, "2\n")
    logs.rotate(log)
    if read_meanwhile:
        assert after(log, place).lines == ["2"]
    append(log, "3\n")

    assert read_on(log, place)[0] == ["2", "3"]


def test_a_log_that_was_copied_and_emptied(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those are that other processes hold open."""
    monkeypatch.setattr(logs, "ROTATE_BYTES", 5)
    append(log, "first\n")
    place = last(log, 5).place
    append(log, "second\n")
    logs.rotate_in_place(log)
    append(log, "3\n")

    assert read_on(log, place)[0] == ["second", "3"]


def test_a_log_that_begins_later(log: Path) -> None:
    """Nothing, and then all of it."""
    first = last(log, 5)
    assert first == Passage([], NOWHERE) and after(log, first.place) == first
    append(log, "1\n")

    assert after(log, first.place).lines == ["1"]


def test_much_comes_in_pieces(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One answer has a limit; so has a line that never ends."""
    monkeypatch.setattr(log_reader, "READ_BYTES", 10)
    place = last(log, 5).place
    lines = [f"line {n}" for n in range(9)]
    append(log, "".join(f"{line}\n" for line in lines))
    found, place = read_on(log, place)
    append(log, "x" * 25 + "\n")

    assert found == lines
    assert "".join(read_on(log, place)[0]) == "x" * 25


def test_bytes_that_are_no_text_and_odd_separators_tear_nothing_apart(log: Path) -> None:
    """What models say has other separators in it."""
    log.write_bytes(b"a\xff\n" + "b\u2028c\n".encode())

    assert last(log, 5).lines == ["a\ufffd", "b\u2028c"]
    assert after(log, Place(log.stat().st_ino, 0)).lines == ["a\ufffd", "b\u2028c"]


def test_a_place_is_told_and_read_as_text() -> None:
    """As the control API passes it."""
    assert Place.parse(str(Place(12, 34))) == Place(12, 34)
