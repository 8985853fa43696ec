"""The lock that a supervisor holds on its state folder as long as it lives."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from supervisor.errors import Refused, StorageError
from supervisor.paths import StatePaths

ENDING_S = 5.0
LOOK_S = 0.02


def is_locked(paths: StatePaths) -> bool:
    """Whether a supervisor lives, also one that does not answer yet, or any more. Raises StorageError."""
    try:
        with paths.lock.open() as lock:
            return not _taken(lock, fcntl.LOCK_SH)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageError(f"the lock {paths.lock} cannot be opened: {error.strerror}; mend its rights") from error


def holder(paths: StatePaths) -> str:
    """The pid of the supervisor that lives, as it wrote it, or PID; empty when none does."""
    return (paths.lock.read_text().strip() or "PID") if is_locked(paths) else ""


@contextmanager
def locked(paths: StatePaths) -> Iterator[None]:
    """Hold the lock, so that no supervisor can begin; one that is just ending is waited for. Raises Refused."""
    paths.run.mkdir(mode=0o700, exist_ok=True)
    deadline = time.monotonic() + ENDING_S
    with paths.lock.open("a") as lock:
        while not _taken(lock, fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise Refused(
                    f"a supervisor runs on {paths.root}, though it does not answer: end it with"
                    f" `kill -9 {holder(paths)}`, and run this again",
                    code="left_behind",
                )
            time.sleep(LOOK_S)
        yield


def _taken(lock: TextIO, kind: int) -> bool:
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
