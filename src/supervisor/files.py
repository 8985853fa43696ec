"""Files that must survive a crash."""

import os
from contextlib import suppress
from pathlib import Path

from supervisor.errors import StorageError


def publish(path: Path, text: str, mode: int | None = None) -> None:
    """Replace `path` as a whole: write beside it, fsync, rename, fsync the folder.

    A reader sees the old text or the new one, never a part; so does a supervisor after a power cut. Without `mode`
    it has the rights that new files have.
    Raises StorageError when the disk refuses.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # it may be what is wrong with the folder
            beside.unlink()
        raise StorageError(f"{path} cannot be written: {error.strerror}; free the disk or mend its rights") from error


def make_folder(path: Path) -> None:
    """One that only its owner may enter, unless it is there. Raises StorageError when it cannot be made."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"the folder {path} cannot be made: {error.strerror}; mend the rights of its parent"
        ) from error


def read_text(path: Path) -> str:
    """The file's text; empty if there is none."""
    return path.read_text(encoding="utf-8") if path.exists() else ""


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
