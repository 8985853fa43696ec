"""Room on the disk that is ours already: given up when the journal finds the disk full, so that it can be written."""

import os
import shutil
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

SIZE_BYTES = 4_000_000  # hours of records
CHUNK = bytes(1 << 16)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reserve:
    """A file without meaning. No method raises: a full disk is what it is made for."""

    path: Path
    size_bytes: int = SIZE_BYTES

    def keep(self) -> None:
        """Make it where there is none, and room for twice as much. Does nothing where it is whole."""
        try:
            whole = self.path.exists() and self.path.stat().st_size >= self.size_bytes
            if whole or shutil.disk_usage(self.path.parent).free < 2 * self.size_bytes:
                return
            self._allocate()
        except OSError as error:
            log.warning("reserve_not_made", path=str(self.path), reason=str(error))
            self.give_up()

    def give_up(self) -> bool:
        """Free the room; False when there was none."""
        try:
            self.path.unlink()
        except OSError:
            return False
        with suppress(OSError):  # the log may be what finds no room
            log.warning("reserve_given_up", path=str(self.path), size_bytes=self.size_bytes)
        return True

    def _allocate(self) -> None:
        """Written, not only announced: a file with holes holds no room."""
        with self.path.open("wb") as file:
            for _ in range(0, self.size_bytes, len(CHUNK)):
                file.write(CHUNK)
            file.flush()
            os.fsync(file.fileno())


def is_full(error: sqlite3.Error) -> bool:
    """Whether SQLite met a full disk: at a write, or where it makes the file its processes share."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code == sqlite3.SQLITE_FULL or code == sqlite3.SQLITE_IOERR_SHMSIZE
