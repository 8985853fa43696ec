"""The model store: `models/<sha256>/name.gguf`, each file read-only and never changed.

A folder appears by one rename, when its file is complete, hashed and on the disk; so whatever is there is whole.
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from modelsvc.store.disk import storing, sync_folder
from modelsvc.store.entry import Entry, Origin, short
from modelsvc.store.names import bare, is_model
from modelsvc.store.partial import ORIGIN
from modelsvc.store.source import alias_name
from supervisor.errors import InvalidRequest, NotFound, StorageError

PARTIAL = ".partial"
SHORTEST_DIGITS = 6
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGITS = re.compile(rf"[0-9a-f]{{{SHORTEST_DIGITS},64}}")
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)


class Store:
    """The folder of models. It need not exist until something is added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def partials(self) -> Path:
        """Where pulls are at work: on the same file system, so that a rename brings their files in."""
        return self.folder / PARTIAL

    def entries(self) -> tuple[Entry, ...]:
        """All models, by name. Raises StorageError when the folder cannot be read."""
        found = filter(None, map(self._entry, self._folders()))
        return tuple(sorted(found, key=lambda entry: (entry.name, entry.sha256)))

    def broken(self) -> tuple[Path, ...]:
        """Folders of models that do not hold exactly one file: somebody else was at work there."""
        return tuple(sorted(folder for folder in self._folders() if self._entry(folder) is None))

    def get(self, sha256: str) -> Entry | None:
        """The model of that content."""
        return self._entry(self.folder / sha256) if _SHA256.fullmatch(sha256) else None

    def find(self, reference: str) -> Entry:
        """By name, name without suffix, alias, or the first digits of the SHA-256.

        Raises NotFound with what there is, InvalidRequest when several are meant.
        """
        entries = self.entries()
        names = {reference, alias_name(reference)} - {None}
        found = [entry for entry in entries if entry.name in names or bare(entry.name) == reference]
        if not found and _DIGITS.fullmatch(reference.lower()):
            found = [entry for entry in entries if entry.sha256.startswith(reference.lower())]
        if len(found) > 1:
            which = ", ".join(f"{entry.name} {short(entry.sha256)}" for entry in found)
            raise InvalidRequest(
                f"{reference!r} means several models ({which}): give the first digits of one's SHA-256",
                code="ambiguous_model",
            )
        if not found:
            raise NotFound(f"the store has no model {reference!r}: {self.contents()}", code="no_such_model")
        return found[0]

    def contents(self) -> str:
        """What there is, in one line for an error."""
        names = [bare(entry.name) for entry in self.entries()]
        return f"it has {', '.join(names)}" if names else "it is empty; `modelsvc model pull` fills it"

    def damage(self, entry: Entry) -> str:
        """Read all of the file; what is wrong with it, empty when nothing is."""
        try:
            with entry.path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        return "" if found == entry.sha256 else f"its SHA-256 is {found} now"

    def publish(self, staged: Path, sha256: str, repair: bool = False) -> tuple[Entry, bool]:
        """Rename a complete folder into place; the entry, and whether one was there already.

        That one stays, unless it holds no model, or `repair` is asked for and its file is damaged.
        """
        with storing(self.folder):
            taken = not self._renamed(staged, self.folder / sha256)
            if taken and self._is_useless(sha256, repair):
                self._set_aside(self.folder / sha256)
                taken = not self._renamed(staged, self.folder / sha256)
            sync_folder(self.folder)
        return self._must_be(sha256), taken

    def remove(self, entry: Entry) -> None:
        """Take the model out, in one rename; processes that map it go on."""
        with storing(self.folder):
            self._set_aside(entry.path.parent)

    def _set_aside(self, folder: Path) -> None:
        self.partials.mkdir(mode=0o700, exist_ok=True)
        aside = self.partials / f"removed-{short(folder.name)}-{os.getpid()}"
        folder.rename(aside)
        sync_folder(self.folder)
        shutil.rmtree(aside)

    @staticmethod
    def _renamed(staged: Path, target: Path) -> bool:
        try:
            staged.rename(target)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
        return True

    def _is_useless(self, sha256: str, repair: bool) -> bool:
        entry = self.get(sha256)
        return entry is None or (repair and bool(self.damage(entry)))

    def _must_be(self, sha256: str) -> Entry:
        entry = self.get(sha256)
        if entry is None:
            folder = self.folder / sha256
            raise StorageError(f"{folder} holds no model, or several: move it away, and pull again", code="bad_entry")
        return entry

    def _folders(self) -> Iterator[Path]:
        with storing(self.folder), suppress(FileNotFoundError):
            yield from [folder for folder in self.folder.iterdir() if _SHA256.fullmatch(folder.name)]

    def _entry(self, folder: Path) -> Entry | None:
        try:
            models = [path for path in folder.iterdir() if is_model(path.name)]
            (model,) = models
            return Entry(folder.name, model.name, model, model.stat().st_size, _origin(folder / ORIGIN))
        except (OSError, ValueError):
            return None


def _origin(path: Path) -> Origin | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Origin)
    except (OSError, msgspec.DecodeError):
        return None
