"""Holding the lock on the state folder, so that no supervisor can begin."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from supervisor import lock
from supervisor.errors import AlreadyRunning, Refused
from supervisor.paths import StatePaths

ENDING_S = 5.0
POLL_S = 0.02


def holder(paths: StatePaths) -> str:
    """The pid of the supervisor that lives, as it wrote it, or PID; empty when none does."""
    pid = lock.holder(paths.lock)
    return str(pid) if pid > 0 else "PID" if pid else ""


@contextmanager
def locked(paths: StatePaths) -> Iterator[None]:
    """Hold the lock; a supervisor that is just ending is waited for. Raises Refused, or StorageError.

    Also one whose `run` was removed: it holds the other part of the lock.
    """
    paths.run.mkdir(mode=0o700, exist_ok=True)
    with _barred(paths):
        yield


def _barred(paths: StatePaths) -> TextIO:
    deadline = time.monotonic() + ENDING_S
    while True:
        try:
            return lock.bar(paths.lock)
        except AlreadyRunning:
            if time.monotonic() > deadline:
                raise Refused(
                    f"a supervisor runs on {paths.root}, though it does not answer: end it with"
                    f" `kill -9 {holder(paths)}`, and run this again",
                    code="left_behind",
                ) from None
        time.sleep(POLL_S)
