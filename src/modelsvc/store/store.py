"""The model store: `models/<sha256>/name.gguf`, each file read-only and never changed.

A folder appears by one rename, when its file is complete, hashed and on the disk; so whatever is there is whole. What
somebody else put into it stays there, whatever is done (`entry_folder`).
"""

import errno
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from modelsvc.store.disk import storing, sync_folder
from modelsvc.store.entry import Entry, short
from modelsvc.store.entry_folder import EntryFolder
from modelsvc.store.names import bare
from modelsvc.store.source import alias_name
from supervisor.errors import InvalidRequest, NotFound, StorageError

PARTIAL = ".partial"
SHORTEST_DIGITS = 6
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGITS = re.compile(rf"[0-9a-f]{{{SHORTEST_DIGITS},64}}")
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)


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
        found = filter(None, (folder.entry() for folder in self._folders()))
        return tuple(sorted(found, key=lambda entry: (entry.name, entry.sha256)))

    def broken(self) -> tuple[Path, ...]:
        """Folders without the model that they are named after: somebody else was at work there."""
        return tuple(sorted(folder.path for folder in self._folders() if folder.is_broken()))

    def get(self, sha256: str) -> Entry | None:
        """The model of that content."""
        return EntryFolder(self.folder / sha256).entry() if _SHA256.fullmatch(sha256) else None

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

    def publish(self, staged: Path, name: str, sha256: str, repair: bool = False) -> tuple[Entry, bool]:
        """Rename a complete folder into place; the entry, and whether one was there already.

        That one stays, unless `repair` is asked for and its file is damaged. Into a folder of somebody else's making
        the model alone is brought.
        """
        place, already = EntryFolder(self.folder / sha256), False
        with storing(self.folder):
            while not _renamed(staged, place.path):
                if place.entry() and not repair:
                    already = True
                    break
                with place.held() as is_there:
                    if is_there:
                        already = place.receive(staged, name, repair)
                        break
            sync_folder(self.folder)
        return self._must_be(place), already

    def remove(self, entry: Entry) -> None:
        """Take the model out, but not what else is in its folder; processes that map it go on."""
        with storing(self.folder):
            EntryFolder(entry.path.parent).remove(entry)
            sync_folder(self.folder)

    @staticmethod
    def _must_be(place: EntryFolder) -> Entry:
        entry = place.entry()
        if entry is None:
            raise StorageError(f"{place.path} was changed by somebody just now: pull again", code="bad_entry")
        return entry

    def _folders(self) -> Iterator[EntryFolder]:
        with storing(self.folder), suppress(FileNotFoundError):
            yield from [EntryFolder(path) for path in self.folder.iterdir() if _SHA256.fullmatch(path.name)]


def strangers(entry: Entry) -> tuple[str, ...]:
    """What lies beside a model and is not the store's."""
    return EntryFolder(entry.path.parent).strangers()


def _renamed(staged: Path, target: Path) -> bool:
    try:
        staged.rename(target)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True
