"""Where a file is, by links and folders, and which file it is now."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

LINKS_LIMIT = 40  # as the kernel has it

Signature = dict[Path, tuple[int, ...] | None]
Folders = dict[Path, tuple[int, int]]


def links(path: Path) -> list[Path]:
    """The path, and what it leads to, link by link, as far as one may look; the last one need not exist."""
    found = [path]
    with suppress(OSError):  # a link was replaced just now, or is in a folder that may not be entered
        while len(found) <= LINKS_LIMIT and found[-1].is_symlink():
            found.append(found[-1].parent / found[-1].readlink())
    return found


def folders(paths: Iterable[Path]) -> Folders:
    """The folders in which something may happen to one of the files, each with its identity.

    Where a folder is gone, the nearest one above it that is there, in which it will come back.
    """
    parents = {_existing(link.parent) for path in paths for link in links(path)}
    return {folder: identity for folder in sorted(parents) if (identity := _identity(folder))}


def signature(paths: Iterable[Path]) -> Signature:
    """What changes with whatever is done to one of the files; of one that is not there None."""
    return {path: _of_file(path) for path in paths}


def _of_file(path: Path) -> tuple[int, ...] | None:
    """The time of the inode's last change, too: rights that were mended change nothing else."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _existing(folder: Path) -> Path:
    """Path's own is_dir raises where a folder on the way may not be entered."""
    return next((each for each in (folder, *folder.parents) if os.path.isdir(each)), Path(folder.anchor))  # noqa: PTH112


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
