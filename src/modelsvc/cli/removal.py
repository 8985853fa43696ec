"""Removing the state folder's contents: only what modelsvc makes, and never through a link."""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from modelsvc.cli.locked import locked
from supervisor.errors import Refused, StorageError
from supervisor.paths import StatePaths

# The lock's folder is last: as long as it is there, what was broken off can be taken up.
NAMES = ("edge", "monitor", "releases", "logs", "reserve", "chat.db*", "supervisor.db*", "run")
MODELS = "models"


def sizes(paths: StatePaths, *, models: bool) -> dict[Path, int]:
    """What would be removed, and its size in bytes. Raises Refused for a folder that is none of ours.

    What only a supervisor or the store makes tells ours from a folder that happens to have such names in it. Raises
    StorageError for one that may not be looked into: it has not been found empty.
    """
    _check_readable(paths.root)
    found = {path: _size(path) for path in _own_paths(paths, models)}
    if found and not (paths.lock.is_file() or paths.journal.is_file() or _is_store(paths.models)):
        raise Refused(
            f"{paths.root} has no run/lock, no supervisor.db and no model store, so it may not be modelsvc's: look at"
            " $MODELSVC_HOME, or remove it yourself",
            code="not_ours",
        )
    return found


def _check_readable(root: Path) -> None:
    try:
        os.listdir(root)  # noqa: PTH208 - Path's own questions take what they may not see for absent
        (root / "run").lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StorageError(
            f"{root} cannot be looked into: {error.strerror}; nothing was removed: run `modelsvc reset` as the user"
            " whose service it is, or look at $MODELSVC_HOME"
        ) from error


def remove(paths: StatePaths, *, models: bool) -> None:
    """Remove it while no supervisor can begin. Raises Refused while one runs, StorageError when the system refuses."""
    with locked(paths):
        for path in _own_paths(paths, models):
            try:
                _remove(path)
            except OSError as error:
                where = error.filename or path
                raise StorageError(
                    f"{where} cannot be removed: {error.strerror}; mend its rights, and run `modelsvc reset` again"
                ) from error
    with suppress(OSError):  # it holds something else, is a link, or may not go, such as a container's volume
        paths.root.rmdir()


def _is_store(folder: Path) -> bool:
    """Whether its folders are named after what is in them."""
    return any(re.fullmatch(r"[0-9a-f]{64}", path.name) for path in folder.glob("*/"))


def _own_paths(paths: StatePaths, models: bool) -> Iterator[Path]:
    for pattern in (*((MODELS,) if models else ()), *NAMES):
        yield from sorted(paths.root.glob(pattern))


def _remove(path: Path) -> None:
    """A link goes, and what it leads to stays."""
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    for folder, _, _ in os.walk(path):  # does not follow links
        Path(folder).chmod(stat.S_IRWXU)  # from a read-only one nothing can be removed
    shutil.rmtree(path)


def _size(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return _bytes(path)
    return sum(_bytes(Path(folder) / name) for folder, _, names in os.walk(path) for name in names)


def _bytes(path: Path) -> int:
    """0 for what went away meanwhile: the service still runs when its files are counted."""
    with suppress(FileNotFoundError):
        return path.lstat().st_size
    return 0
