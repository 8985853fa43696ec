"""A file that is not all there yet: `models/.partial/<key of the source>/`, held by one process at a time.

    lock          who works on it
    notes.json    what is known of it
    file/         the bytes so far; becomes the entry's folder when they are all there

What came is synced every second, and every 64 MiB. After a power cut, a pull goes on from what is on the disk for sure,
since bytes beyond it may be holes.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from modelsvc.store import lock
from modelsvc.store import notes as noted
from modelsvc.store.disk import storing, sync, sync_folder
from modelsvc.store.entry import Origin
from modelsvc.store.names import ORIGIN
from modelsvc.store.notes import Notes
from modelsvc.store.owned import remove_own
from supervisor.errors import StorageError
from supervisor.protocol import encode

SYNC_EVERY_S = 1.0
SYNC_EVERY_BYTES = 64 * 2**20
NOTES, FILE, PART = "notes.json", "file", "part"


class Partial:
    """Only whoever holds the folder's lock may make one. Every method raises StorageError or Refused (`disk_full`)."""

    def __init__(self, folder: Path, wanted: Notes) -> None:
        """Go on with what is there, if it may be the beginning of what is `wanted`."""
        self.folder = folder
        with storing(folder):
            (folder / FILE).mkdir(exist_ok=True)
            known = noted.read(folder / NOTES)
            self._part = _found_part(folder / FILE, known.name if known else PART)
            if known and known.goes_on(wanted):
                have = min(self._part.stat().st_size, known.synced_bytes)
                os.truncate(self._part, have)
                sha256 = wanted.sha256 or known.sha256
                self.notes = msgspec.structs.replace(known, name=wanted.name, sha256=sha256, synced_bytes=have)
            else:
                self.begin_anew(wanted)

    @property
    def path(self) -> Path:
        return self._part

    @property
    def have_bytes(self) -> int:
        return self.notes.synced_bytes

    @property
    def is_of_use(self) -> bool:
        """Whether there are bytes that can be gone on from."""
        return self.have_bytes > 0 and self.notes.resumable

    def begin_anew(self, notes: Notes) -> None:
        """Forget the bytes so far."""
        with storing(self.folder):
            os.truncate(self._part, 0)
        self.note(msgspec.structs.replace(notes, synced_bytes=0))

    def note(self, notes: Notes) -> None:
        self.notes = notes
        with storing(self.folder):
            noted.write(self.folder / NOTES, notes)

    @contextmanager
    def appending(self) -> Iterator["Sink"]:
        """Somewhere to write the next bytes; all that were written are kept, however it ends."""
        with storing(self.folder), self._part.open("ab") as file:
            sink = Sink(self, file)
            try:
                yield sink
            finally:
                sink.sync()

    def discard(self) -> None:
        """Leave nothing of it."""
        with storing(self.folder):
            erase(self.folder, self._part.name)

    def staged(self, origin: Origin) -> Path:
        """The folder, with the complete file under its name and read-only, ready to be renamed into place."""
        folder = self.folder / FILE
        with storing(folder):
            self.note(self.notes)  # by its name the file is found again, should the pull be killed now
            (folder / ORIGIN).write_bytes(encode(origin))
            self._part.chmod(0o444)
            self._part = _named(self._part, self.notes.name)
            for path in (self._part, folder / ORIGIN):
                sync(path)
            sync_folder(folder)
        return folder


class Sink:
    """Where bytes go, a sync now and then."""

    def __init__(self, partial: Partial, file: IO[bytes]) -> None:
        self._partial, self._file = partial, file
        self._synced_at = time.monotonic()
        self.size_bytes = partial.have_bytes

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self.size_bytes += len(chunk)
        unsynced = self.size_bytes - self._partial.have_bytes
        if unsynced >= SYNC_EVERY_BYTES or time.monotonic() - self._synced_at > SYNC_EVERY_S:
            self.sync()

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._partial.note(msgspec.structs.replace(self._partial.notes, synced_bytes=self.size_bytes))
        self._synced_at = time.monotonic()


def erase(folder: Path, model_name: str) -> None:
    """Remove what a pull made in `folder`; the model may have its name already. Raises OSError."""
    remove_own(folder / FILE, (ORIGIN, f"{ORIGIN}.new", PART, model_name))
    remove_own(folder, (NOTES, f"{NOTES}.new", lock.NAME))


def _found_part(folder: Path, name: str) -> Path:
    """Where the bytes are: under the model's name when a pull was killed just before it was done."""
    (folder / ORIGIN).unlink(missing_ok=True)
    part, named = folder / PART, folder / name
    if named.is_file() and not part.exists():
        named.chmod(0o600)
        named.rename(part)
    part.touch(mode=0o600)
    return part


def _named(part: Path, name: str) -> Path:
    if os.path.lexists(part.with_name(name)):
        raise StorageError(f"{part.with_name(name)} is not the store's: move it away, and pull again", code="bad_entry")
    return part.rename(part.with_name(name))
