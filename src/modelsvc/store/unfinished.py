"""What pulls left that did not come to their end: looking at it, and cleaning it up."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from modelsvc.store import lock
from modelsvc.store import notes as noted
from modelsvc.store.disk import storing
from modelsvc.store.notes import Notes
from modelsvc.store.partial import FILE, NOTES, PART, Partial, erase
from modelsvc.store.store import Store
from supervisor.errors import BadModel
from supervisor.lock import is_locked

KEPT_S = 7 * 86_400
_KEY = re.compile(r"[0-9a-f]{16}")  # of a source


@dataclass(frozen=True, slots=True)
class Unfinished:
    """`running`: a pull is at work on it now. `source` is empty where its notes are lost."""

    folder: str
    source: str
    have_bytes: int
    size_bytes: int | None
    age_s: float
    running: bool


@contextmanager
def partial(store: Store, wanted: Notes, waiting: Callable[[int | None], None]) -> Iterator[Partial]:
    """The source's unfinished file, held. Nothing stays of a refused one, or of what cannot be gone on from.

    Raises StorageError.
    """
    folder = store.partials / wanted.key
    with storing(store.folder):
        for each in (store.folder.parent, store.folder, store.partials):  # `parents` would make them for everybody
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
    with storing(folder), lock.locked(folder, waiting):
        unfinished = Partial(folder, wanted)
        try:
            yield unfinished
        except BadModel:
            unfinished.discard()
            raise
        finally:
            if folder.exists() and not unfinished.is_of_use:
                unfinished.discard()


def unfinished(store: Store) -> tuple[Unfinished, ...]:
    """All there is, changing nothing. Raises StorageError."""
    with storing(store.partials):
        found = sorted(store.partials.iterdir()) if store.partials.is_dir() else []
        return tuple(left for folder in found if _KEY.fullmatch(folder.name) and (left := _look(folder)))


def clean(store: Store, older_than_s: float = 0.0) -> tuple[Unfinished, ...]:
    """Remove what no pull is at work on, and has not been for that long; what was removed."""
    old = [left for left in unfinished(store) if left.age_s >= older_than_s and not left.running]
    return tuple(left for left in old if _removed(Path(left.folder)))


def _removed(folder: Path) -> bool:
    with storing(folder), lock.locked(folder, None) as held:
        if held:
            erase(folder, _name(folder))
        return held


def _look(folder: Path) -> Unfinished | None:
    """None for a folder in which no pull was at work."""
    notes, parts = noted.read(folder / NOTES), (folder / FILE / PART, folder / FILE / _name(folder))
    if not any(path.is_file() for path in (folder / lock.NAME, folder / NOTES, *parts)):
        return None
    with suppress(FileNotFoundError):  # it came to its end just now
        return Unfinished(
            folder=str(folder),
            source=notes.source if notes else "",
            have_bytes=max((path.stat().st_size for path in parts if path.is_file()), default=0),
            size_bytes=notes.size_bytes if notes else None,
            age_s=max(0.0, time.time() - _touched(folder)),
            running=is_locked(folder / lock.NAME),
        )
    return None


def _name(folder: Path) -> str:
    """What the file will be called; as it is called until then where that is not known."""
    notes = noted.read(folder / NOTES)
    return notes.name if notes else PART


def _touched(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
