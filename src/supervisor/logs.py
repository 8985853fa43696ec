"""Log files: JSON lines of our own, and the output of processes; rotated by size."""

import os
import shutil
from collections import deque
from contextlib import suppress
from io import FileIO
from pathlib import Path

import structlog

from supervisor.errors import ConfigError

ROTATE_BYTES = 10_000_000
KEPT = 3


def open_log(path: Path) -> FileIO:
    """Open `path` for appending, after moving it aside when it has grown past ROTATE_BYTES."""
    if path.exists() and path.stat().st_size > ROTATE_BYTES:
        rotate(path)
    return path.open("ab", buffering=0)


def rotate(path: Path, newest: Path | None = None) -> None:
    """`x.log` (or `newest`) becomes `x.log.1`, that `x.log.2`, and so on; the oldest beyond KEPT goes."""
    for number in range(KEPT, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        newer = (newest or path) if number == 1 else path.with_name(f"{path.name}.{number - 1}")
        if newer.exists():
            newer.replace(older)


def rotate_in_place(path: Path) -> None:
    """As `rotate`, for a file that another process holds open for appending: copied aside, then emptied.

    What is written between the two is lost.
    """
    if not path.exists() or path.stat().st_size <= ROTATE_BYTES:
        return
    beside = path.with_name(f"{path.name}.0")
    shutil.copyfile(path, beside)
    os.truncate(path, 0)
    rotate(path, beside)


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines; none when there is no such file yet."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, maxlen=count)]
    except FileNotFoundError:
        return []


class RotatingFile:
    """A text file for structlog that rotates itself. What a full disk refuses is lost: nothing waits for a log."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError when the file cannot be opened."""
        self._path = path
        try:
            self._file = open_log(path)
        except OSError as error:
            raise ConfigError(f"the log {path} cannot be written: {error.strerror}; mend its rights") from error

    def write(self, text: str) -> None:
        with suppress(OSError):
            if not self._is_in_place():
                self._reopen()
            self._file.write(text.encode())

    def flush(self) -> None:
        if self._file.tell() > ROTATE_BYTES:
            with suppress(OSError):
                self._reopen()

    def _reopen(self) -> None:
        fresh = open_log(self._path)
        self._file.close()
        self._file = fresh

    def _is_in_place(self) -> bool:
        """Whether nobody has removed it."""
        with suppress(FileNotFoundError):
            return os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        return False


def configure(path: Path) -> None:
    """Have structlog write JSON lines to `path`."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(RotatingFile(path)),  # type: ignore[arg-type]  # it is file enough
        cache_logger_on_first_use=True,
    )
