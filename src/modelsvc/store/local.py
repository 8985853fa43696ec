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
from supervisor.errors import BadModel, InvalidRequest

PIECE_BYTES = 16 * 2**20
CANNOT_CLONE = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
MAGIC = b"GGUF"


def sha256_of(path: Path) -> str:
    """Of a file of the user's. Raises InvalidRequest when it cannot be read, BadModel when it is no GGUF file."""
    try:
        if path.exists() and not path.is_file():
            raise InvalidRequest(f"{path} is no file: name the GGUF file itself", code="no_model_file")
        with path.open("rb") as file:
            head = file.read(len(MAGIC))
            if head != MAGIC:
                begins = f"begins with {head!r}" if head else "is empty"
                raise BadModel(f"{path} is not a GGUF file, it {begins}: give the path of one", code="model_not_gguf")
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InvalidRequest(f"there is no file {path}: check the path", code="no_model_file") from None
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}", code="no_model_file") from error


def copy(path: Path, partial: Partial, tell: Tell) -> None:
    """Bring all bytes of `path` into `partial`. Raises Refused without room, StorageError."""
    partial.begin_anew(partial.notes)
    size = path.stat().st_size
    check_room(partial.folder, size)
    done = 0
    with storing(partial.folder), path.open("rb") as source, partial.path.open("r+b") as target:
        for piece_bytes in _pieces(source, target):
            done += piece_bytes
            tell(Progress(bytes=done, size_bytes=size))


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
