"""The include file that says where requests go, published whole or not at all."""

import os
from pathlib import Path


def read_text(path: Path) -> str:
    """The file's text; empty if there is none."""
    return path.read_text() if path.exists() else ""


def publish(path: Path, text: str) -> None:
    """Replace the file so that a crash at any moment leaves the old text or the new one."""
    beside = path.with_name(f"{path.name}.new")
    with beside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
