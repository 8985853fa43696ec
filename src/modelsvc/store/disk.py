"""The disk that the store is on: is there room, and what it refuses."""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supervisor.errors import Refused, StorageError
from supervisor.protocol import HOME_ENV

RESERVE_BYTES = 50_000_000  # stays free: a running service writes its journal and its logs beside the store
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
MB = 10**6


def check_room(folder: Path, needed_bytes: int) -> None:
    """Raise Refused when `needed_bytes` more would not leave the reserve free."""
    with storing(folder):
        free = shutil.disk_usage(folder).free
    if needed_bytes + RESERVE_BYTES > free:
        raise Refused(
            f"{folder} has {free / MB:,.0f} MB free, and {needed_bytes / MB:,.0f} MB are still needed, beside"
            f" {RESERVE_BYTES / MB:,.0f} MB that must stay free: free the disk (`modelsvc model remove`), or set"
            f" {HOME_ENV} to a folder on another one",
            code="disk_full",
        )


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Translate what the file system refuses below `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise Refused(
                f"the disk of {path} is full: free it, and run the same command again; what came so far is kept",
                code="disk_full",
            ) from error
        raise StorageError(
            f"{error.filename or path} cannot be used: {error.strerror or error}; mend the rights of {path}, or set"
            f" {HOME_ENV} to another folder"
        ) from error


def sync(path: Path) -> None:
    """Make what is in a file survive a power cut. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive one. Raises OSError."""
    sync(folder)


def sha256_of(path: Path) -> str:
    """Read all of a file. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
