"""Reading on in a log that others write and rotate: where one was, and what was written since.

A rotated log is `x.log.1`: the same file under another name, or a copy of one that was then emptied.
"""

import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

READ_BYTES = 1_000_000  # of one answer


@dataclass(frozen=True, slots=True)
class Place:
    """Behind the last whole line that was read. The inode tells a file from the one that took its name."""

    inode: int
    offset: int

    PATTERN = r"^[0-9]{1,20}-[0-9]{1,20}$"

    def __str__(self) -> str:
        return f"{self.inode}-{self.offset}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Of what PATTERN matches."""
        inode, _, offset = text.partition("-")
        return cls(int(inode), int(offset))


NOWHERE = Place(0, 0)  # no file yet: whatever comes is new


@dataclass(frozen=True, slots=True)
class Passage:
    """Lines, and where to read on."""

    lines: list[str]
    place: Place


def last(path: Path, count: int) -> Passage:
    """The last `count` lines; none when there is no such file yet. An unfinished one is told again when it is whole."""
    try:
        with path.open("rb") as file:
            lines = deque(file, maxlen=count)
            unfinished = len(lines[-1]) if lines and not lines[-1].endswith(b"\n") else 0
            place = Place(os.fstat(file.fileno()).st_ino, file.tell() - unfinished)
    except FileNotFoundError:
        return Passage([], NOWHERE)
    return Passage([_text(line) for line in lines], place)


def after(path: Path, place: Place) -> Passage:
    """What was written since `place`, READ_BYTES at most: the remainder of a rotated file first."""
    if _reaches(path, place):
        return _read(path, place.offset)
    older = path.with_name(f"{path.name}.1")
    if _reaches(older, place) or _was_emptied(path, place):
        remainder = _read(older, place.offset)
        if remainder.lines:
            return remainder
    return _read(path, 0)


def _reaches(path: Path, place: Place) -> bool:
    stat = _stat(path)
    return stat is not None and stat.st_ino == place.inode and stat.st_size >= place.offset


def _was_emptied(path: Path, place: Place) -> bool:
    stat = _stat(path)
    return stat is not None and stat.st_ino == place.inode


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _read(path: Path, offset: int) -> Passage:
    """Whole lines from `offset` on; of a line that is longer than READ_BYTES, a piece."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            found = file.read(READ_BYTES)
            inode = os.fstat(file.fileno()).st_ino
    except FileNotFoundError:
        return Passage([], NOWHERE)
    whole = found if len(found) == READ_BYTES and b"\n" not in found else found[: found.rfind(b"\n") + 1]
    lines = whole.removesuffix(b"\n").split(b"\n") if whole else []
    return Passage([_text(line) for line in lines], Place(inode, offset + len(whole)))


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r\n")
