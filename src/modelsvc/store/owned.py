"""Removing what the store itself made, and nothing else: whatever somebody put beside it stays."""

import errno
from collections.abc import Sequence
from pathlib import Path

from modelsvc.store.names import is_of_system

_STAYS = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT)


def strangers(folder: Path, own: Sequence[str]) -> tuple[str, ...]:
    """The names of what lies in `folder` beside `own`. Raises OSError."""
    return tuple(sorted(name for name in _names(folder) if name not in own and not is_of_system(name)))


def remove_own(folder: Path, own: Sequence[str]) -> None:
    """Remove the files of these names, in this order, and the folder if nothing else is in it. Raises OSError.

    Only names that are there at the beginning: until the last of them is gone, nobody can rename another folder to its
    place.
    """
    try:
        there = _names(folder)
    except FileNotFoundError:
        return
    for name in [*filter(is_of_system, there), *(name for name in own if name in there)]:
        (folder / name).unlink(missing_ok=True)
    try:
        folder.rmdir()
    except OSError as error:
        if error.errno not in _STAYS:
            raise


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]
