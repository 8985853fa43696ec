"""Pulling a file of this machine: copied, so that the store's file has nothing in common with the user's.

A hard link would: who writes into one writes into both. Where the file system can share the blocks until one of both is
changed (btrfs, XFS, ZFS), Linux does so by itself when the kernel is asked to copy.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from modelsvc.store.disk import check_room, storing
from modelsvc.store.events import Progress, Tell
from modelsvc.store.partial import Partial
from modelsvc.store.remote import MAGIC, Remote
from supervisor.errors import BadModel, InvalidRequest

PIECE_BYTES = 16 * 2**20
CANNOT_CLONE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)


def look(path: Path) -> Remote:
    """What a file of the user's is. Raises InvalidRequest when it cannot be read, BadModel when it is no GGUF file."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113  # Path's raise for long names
            raise InvalidRequest(f"{path} is no file: name the GGUF file itself", code="no_model_file")
        with path.open("rb") as file:
            _check_magic(path, file.read(len(MAGIC)))
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            return Remote(path.as_uri(), sha256=sha256, size_bytes=os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise _unreadable(path, error) from error


def copy(path: Path, partial: Partial, tell: Tell) -> None:
    """Bring all bytes of `path` into `partial`. Raises InvalidRequest, Refused without room, StorageError."""
    partial.begin_anew(partial.notes)
    size, done = partial.notes.size_bytes or 0, 0
    check_room(partial.folder, size)
    with _opened(path) as source, storing(partial.folder), partial.path.open("r+b") as target:
        for piece_bytes in _pieces(source, target):
            done += piece_bytes
            tell(Progress(bytes=done, size_bytes=size))


def _opened(path: Path) -> IO[bytes]:
    """It may have gone since it was looked at, while another pull was waited for."""
    try:
        return path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> InvalidRequest:
    if isinstance(error, FileNotFoundError):
        return InvalidRequest(f"there is no file {path}: check the path", code="no_model_file")
    return InvalidRequest(f"{path} cannot be read: {error.strerror}; mend its rights", code="no_model_file")


def _check_magic(path: Path, head: bytes) -> None:
    if head != MAGIC:
        begins = f"begins with {head!r}" if head else "is empty"
        raise BadModel(f"{path} is not a GGUF file, it {begins}: give the path of one", code="model_not_gguf")


def _pieces(source: IO[bytes], target: IO[bytes]) -> Iterator[int]:
    """Copy piece by piece, by the kernel where it can; yields the size of each."""
    by_kernel = hasattr(os, "copy_file_range")  # not on macOS
    while True:
        try:
            if by_kernel:
                copied = os.copy_file_range(source.fileno(), target.fileno(), PIECE_BYTES)
            else:
                copied = target.write(source.read(PIECE_BYTES))
        except OSError as error:
            if not by_kernel or error.errno not in CANNOT_CLONE:
                raise
            by_kernel = False
            continue
        if not copied:
            return
        yield copied
