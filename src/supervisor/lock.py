"""The lock on the state folder, which a supervisor holds while it lives: taking it, and looking whether it is held.

It is of two parts: the file run/lock, with the pid in it, and the folder of releases itself. The file alone would be
lost with `run`, which whoever cleans up takes for temporary: then a second supervisor could begin.

Held means exclusively. Whoever only looks asks for a shared lock and gives it back at once; it can keep nobody from
beginning, for who finds the lock in use looks, too, before it believes that a supervisor has it.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, TextIO

from supervisor.errors import AlreadyRunning, ConfigError, StorageError

LOOK_TIMEOUT_S = 10.0  # each looks for less than a millisecond
POLL_S = 0.002
NO_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP)  # on a folder, by file systems of networks


@dataclass(slots=True)
class Held:
    """Held until it is closed. `folder` is the descriptor of the folder."""

    path: Path
    file: TextIO
    folder: int

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()
        os.close(self.folder)

    def is_in_place(self) -> bool:
        """Whether who looks for the file finds this one."""
        return is_at(self.file.fileno(), self.path)

    def recreate(self) -> None:
        """Make the file anew. Raises AlreadyRunning when somebody has one there, or ConfigError."""
        fresh = _file(self.path)
        self.file.close()
        self.file = fresh


def take(path: Path) -> Held:
    """Hold the state folder. Raises AlreadyRunning, naming the holder, or ConfigError."""
    file = _file(path)
    try:
        folder = _folder(path)
        if not _taken(folder):
            os.close(folder)
            raise _already(path, "unknown")
    except BaseException:
        file.truncate(0)
        file.close()
        raise
    return Held(path, file, folder)


def bar(path: Path) -> TextIO:
    """Keep supervisors from beginning until the file is closed. Raises AlreadyRunning while one lives, or StorageError.

    It writes nothing and makes no folder, for whoever is about to remove it all may do so for a full disk.
    """
    try:
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise _cannot_open(path, error) from error
    try:
        if _try_lock(file, fcntl.LOCK_EX) and not is_locked(_folder_of(path)):
            return file
        raise _already(path, "unknown")
    except BaseException:
        file.close()
        raise


def is_held(path: Path) -> bool:
    """Whether a supervisor lives, also one that does not answer yet, or any more. Raises StorageError."""
    return is_locked(path) or is_locked(_folder_of(path))  # which is left when the file was removed


def holder(path: Path) -> int:
    """The pid of the supervisor that lives, as it wrote it; -1 where it has not yet, 0 when none lives."""
    if not is_held(path):
        return 0
    try:
        told = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:  # removed; the supervisor makes it anew
        return -1
    return int(told) if told.isdecimal() else -1


def is_locked(path: Path) -> bool:
    """Whether somebody holds this file or folder, which need not be there. Raises StorageError."""
    try:
        with _opened(path) as descriptor:
            return not _lock(descriptor, fcntl.LOCK_SH)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _cannot_open(path, error) from error


def is_at(descriptor: int, path: Path) -> bool:
    """Whether what is open is still what lies at `path`."""
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    return False


def _file(path: Path) -> TextIO:
    """The locked file, with our pid in it."""
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
        raise _already(path, pid)
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _folder_of(path: Path) -> Path:
    """Not the state folder itself: that is locked by `modelsvc keys`, where the file of keys is in it."""
    return path.parent.parent / "releases"


def _folder(path: Path) -> int:
    folder = _folder_of(path)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        return os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ConfigError(f"the folder {folder} cannot be opened: {error.strerror}; mend its rights") from error


def _already(path: Path, pid: str) -> AlreadyRunning:
    return AlreadyRunning(
        f"a supervisor (pid {pid}) runs on {path.parent.parent} already: use `modelsvc ctl`,"
        " or set MODELSVC_HOME to another folder"
    )


def _cannot_open(path: Path, error: OSError) -> StorageError:
    return StorageError(f"the lock {path} cannot be opened: {error.strerror}; mend its rights")


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(file: IO[str] | int) -> bool:
    """Those who look are waited for; only what keeps out a look as well is a holder."""
    deadline = time.monotonic() + LOOK_TIMEOUT_S
    while not _lock(file, fcntl.LOCK_EX):
        if not _lock(file, fcntl.LOCK_SH) or time.monotonic() > deadline:
            return False
        fcntl.flock(file, fcntl.LOCK_UN)
        time.sleep(POLL_S)
    return True


def _lock(file: IO[str] | int, kind: int) -> bool:
    """A folder that cannot be locked at all keeps nobody out: there the file has to do."""
    try:
        return _try_lock(file, kind)
    except OSError as error:
        if isinstance(file, int) and error.errno in NO_LOCKS:
            return True
        raise


def _try_lock(file: IO[str] | int, kind: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
