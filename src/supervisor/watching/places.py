"""Where a file is, by links and folders, and which file it is now."""

from collections.abc import Iterable
from pathlib import Path

LINKS_LIMIT = 40  # as the kernel has it

Signature = dict[Path, tuple[int, ...] | None]
Folders = dict[Path, tuple[int, int]]


def links(path: Path) -> list[Path]:
    """The path, and what it leads to, link by link; the last one need not exist."""
    found = [path]
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
    return next((each for each in (folder, *folder.parents) if each.is_dir()), Path(folder.anchor))


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        stat = folder.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
