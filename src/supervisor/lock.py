"""The lock on the state folder, which a supervisor holds while it lives: taking it, and looking whether it is held.

Held means exclusively. Whoever only looks asks for a shared lock and gives it back at once; it can keep nobody from
beginning, for who finds the lock in use looks, too, before it believes that a supervisor has it.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import TextIO

from supervisor.errors import AlreadyRunning, ConfigError, StorageError

LOOKERS_S = 10.0  # each looks for less than a millisecond
PAUSE_S = 0.002


def take(path: Path) -> TextIO:
    """Hold the state folder until the file is closed. Raises AlreadyRunning, naming the holder, or ConfigError."""
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"the lock {path} cannot be opened: {error.strerror}; mend its rights, or remove it"
        ) from error
    if not _taken(file):
        file.seek(0)
        pid = file.read().strip() or "unknown"
        file.close()
        raise AlreadyRunning(
            f"a supervisor (pid {pid}) runs on {path.parent.parent} already: use `modelsvc ctl`,"
            " or set MODELSVC_HOME to another folder"
        )
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def is_held(path: Path) -> bool:
    """Whether a supervisor lives, also one that does not answer yet, or any more. Raises StorageError."""
    try:
        with path.open(encoding="utf-8") as file:
            return not try_lock(file, fcntl.LOCK_SH)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageError(f"the lock {path} cannot be opened: {error.strerror}; mend its rights") from error


def holder(path: Path) -> int:
    """The pid of the supervisor that lives, as it wrote it; -1 where it has not yet, 0 when none lives."""
    if not is_held(path):
        return 0
    told = path.read_text(encoding="utf-8").strip()
    return int(told) if told.isdecimal() else -1


def try_lock(file: TextIO, kind: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _taken(file: TextIO) -> bool:
    """Those who look are waited for; only what keeps out a look as well is a holder."""
    deadline = time.monotonic() + LOOKERS_S
    while not try_lock(file, fcntl.LOCK_EX):
        if not try_lock(file, fcntl.LOCK_SH) or time.monotonic() > deadline:
            return False
        fcntl.flock(file, fcntl.LOCK_UN)
        time.sleep(PAUSE_S)
    return True
