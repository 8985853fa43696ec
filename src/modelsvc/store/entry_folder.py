"""The folder of a model in the store, `models/<sha256>/`: the model, `origin.json`, and what else somebody put there.

The model is the file that `origin.json` names; where that names none, as earlier versions wrote it, the only one. All
else is a stranger, which is neither removed nor written over; without an `origin.json`, everything is.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from modelsvc.store.disk import sha256_of, sync, sync_folder
from modelsvc.store.entry import Entry, Origin
from modelsvc.store.names import ORIGIN, is_model
from modelsvc.store.owned import remove_own, strangers
from supervisor.errors import StorageError
from supervisor.lock import is_at
from supervisor.protocol import encode


@dataclass(frozen=True, slots=True)
class EntryFolder:
    """It need not be there. A change raises OSError, and StorageError (`bad_entry`) where a stranger is in the way."""

    path: Path

    def entry(self) -> Entry | None:
        """None: there is no model, or none that is on record."""
        origin = _read_origin(self.path / ORIGIN)
        if origin is None:
            return None
        try:
            (model,) = [each for each in self._models() if origin.name in ("", each.name)]
            return Entry(self.path.name, model.name, model, model.stat().st_size, origin)
        except (OSError, ValueError):
            return None

    def strangers(self) -> tuple[str, ...]:
        """What is there beside a model of the store; nothing where that is not known."""
        entry = self.entry()
        with suppress(OSError):
            return strangers(self.path, (ORIGIN, entry.name)) if entry else ()
        return ()

    def is_broken(self) -> bool:
        """Whether something is there, and no model that is known as the store's."""
        if self.entry():
            return False
        try:
            return bool(strangers(self.path, ()))
        except OSError:
            return True

    def receive(self, staged: Path, name: str, repair: bool) -> bool:
        """Take the model `name` out of the folder `staged`, if it is wanted; whether one was there already."""
        entry = self.entry()
        if entry and not (repair and damage(entry)):
            return True
        if entry is None and (found := self._unrecorded()):
            self._record(staged, found.name)
            return True
        target = entry.path if entry else self.path / name  # a damaged one is replaced where releases know it
        if entry is None and os.path.lexists(target):
            raise StorageError(
                f"{target} has the name of the model that came, and is another file: move it away, or pull with --name",
                code="bad_entry",
            )
        (staged / name).replace(target)
        self._record(staged, target.name)
        return False

    def remove(self, entry: Entry) -> None:
        """The model first: of a removal that is cut short, a record is left that says nothing."""
        with self.held() as is_there:
            if is_there:
                remove_own(self.path, (entry.name, ORIGIN))

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the folder against other pulls and removals; False: it has gone meanwhile."""
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_dir()):
            what = "a symbolic link" if self.path.is_symlink() else "no folder"
            raise StorageError(f"{self.path} is {what}, and not the store's: move it away", code="bad_entry")
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            yield False
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield is_at(descriptor, self.path)
        finally:
            os.close(descriptor)

    def _models(self) -> list[Path]:
        return [path for path in self.path.iterdir() if is_model(path.name)]

    def _unrecorded(self) -> Path | None:
        """The model itself among several files, told by its content."""
        found = (path for path in self._models() if path.is_file() and sha256_of(path) == self.path.name)
        return next(found, None)

    def _record(self, staged: Path, name: str) -> None:
        origin, new = _read_origin(staged / ORIGIN), staged / f"{ORIGIN}.new"
        assert origin is not None, f"{staged} was staged without its origin"
        new.write_bytes(encode(msgspec.structs.replace(origin, name=name)))
        sync(new)
        new.replace(self.path / ORIGIN)
        sync_folder(self.path)


def damage(entry: Entry) -> str:
    """Read all of the file; what is wrong with it, empty when nothing is."""
    try:
        found = sha256_of(entry.path)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return "" if found == entry.sha256 else f"its SHA-256 is {found} now"


def _read_origin(path: Path) -> Origin | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Origin)
    except (OSError, msgspec.DecodeError):
        return None
