"""One process at a time in a folder. The system lets go of the lock however the process ends."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from supervisor.lock import is_at

NAME = "lock"


@contextmanager
def locked(folder: Path, waiting: Callable[[int | None], None] | None) -> Iterator[bool]:
    """Make `folder` and hold it; where another process does, tell `waiting` its pid and wait for it.

    Without `waiting`: yield False at once when it is held. Raises OSError.
    """
    descriptor = _acquire(folder, waiting)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _acquire(folder: Path, waiting: Callable[[int | None], None] | None) -> int | None:
    while True:
        descriptor = _open(folder)
        if not _lock(descriptor, waiting):
            os.close(descriptor)
            return None
        if is_at(descriptor, folder / NAME):
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor
        os.close(descriptor)  # whoever held it removed the folder when it was done


def _open(folder: Path) -> int:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # removed just now
            return os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o600)


def _lock(descriptor: int, waiting: Callable[[int | None], None] | None) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        if waiting is None:
            return False
    waiting(_holder(descriptor))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:  # Ctrl-C while waiting
        os.close(descriptor)
        raise
    return True


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 20, 0)
    return int(text) if text.isdigit() else None
