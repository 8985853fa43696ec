"""Bringing a model into the store: find it, transfer it, check it, publish it."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from modelsvc.store import hub, local
from modelsvc.store.disk import sha256_of, storing
from modelsvc.store.entry import Entry, Origin, report
from modelsvc.store.entry_folder import damage
from modelsvc.store.events import Began, Checking, Finished, Tell, Waiting
from modelsvc.store.notes import Notes
from modelsvc.store.partial import Partial
from modelsvc.store.patience import USUAL, Patience
from modelsvc.store.remote import Remote
from modelsvc.store.source import HubFile, LocalFile, Source, WebFile
from modelsvc.store.store import Store, strangers
from modelsvc.store.unfinished import KEPT_S, clean, partial
from modelsvc.store.web import WebTransfer
from supervisor import offline
from supervisor.errors import BadModel, Refused


@dataclass(frozen=True, slots=True)
class Pull:
    """What is to be pulled. `repair`: what the store has already is read, and replaced if it is damaged."""

    store: Store
    source: Source
    name: str
    sha256: str = ""  # that it must have; empty: whatever comes
    repair: bool = False
    patience: Patience = USUAL

    def run(self, tell: Tell) -> Entry:
        """Have the model in the store, and tell how it goes.

        Raises InvalidRequest, NotFound, BadModel, Refused (no room, no access), DownloadError, DeadlineExceeded,
        StorageError. What came of a transfer that broke off is kept; of a refused file nothing is.
        """
        began = time.monotonic()
        entry, already = self._have(tell)
        seconds = round(time.monotonic() - began, 3)
        tell(Finished(entry=report(entry), already=already, strangers=strangers(entry), seconds=seconds))
        return entry

    def _have(self, tell: Tell) -> tuple[Entry, bool]:
        if entry := self._known(self.sha256):
            return entry, True
        clean(self.store, KEPT_S)
        remote = self._resolve(tell)
        expected = self._expected(remote)
        if entry := self._known(expected):
            return entry, True
        with partial(self.store, self._wanted(remote, expected), lambda pid: tell(Waiting(pid=pid))) as unfinished:
            return self._brought(unfinished, remote, expected, tell)

    def _brought(self, unfinished: Partial, remote: Remote, expected: str, tell: Tell) -> tuple[Entry, bool]:
        earlier = self._pulled_before()
        if entry := self._known(expected):  # whoever was waited for brought it
            return entry, True
        if not self._transferred(unfinished, remote, earlier, tell) and earlier:
            return earlier, True
        sha256, quantization = self._checked(unfinished, expected, tell)
        staged = unfinished.staged(_origin(unfinished.notes, quantization))
        published = self.store.publish(staged, unfinished.path.name, sha256, repair=self.repair)
        unfinished.discard()
        return published

    def _resolve(self, tell: Tell) -> Remote:
        match self.source:
            case HubFile():
                return hub.resolve(self.source, self.patience, tell, bool(self.sha256))
            case WebFile():
                return Remote(self.source.url)
            case LocalFile():
                return local.look(self.source.path)
            case _:
                assert_never(self.source)

    def _transferred(self, unfinished: Partial, remote: Remote, earlier: Entry | None, tell: Tell) -> bool:
        """False when nothing was, since the file is the `earlier` one."""
        notes, have = unfinished.notes, unfinished.have_bytes
        tell(Began(source=notes.source, name=notes.name, size_bytes=notes.size_bytes, resumed_bytes=have))
        if isinstance(self.source, LocalFile):
            local.copy(self.source.path, unfinished, tell)
            return True
        origin, pinned = earlier.origin if earlier else None, bool(self.sha256)
        return WebTransfer(remote, self.patience, tell, origin, pinned).run(unfinished)

    def _checked(self, unfinished: Partial, expected: str, tell: Tell) -> tuple[str, str]:
        """The file's SHA-256 and quantisation. Raises BadModel: not the expected file, or none that can be served."""
        path, source = unfinished.path, unfinished.notes.source
        with storing(path):
            tell(Checking(size_bytes=path.stat().st_size))
            found = sha256_of(path)
        if expected and found != expected:
            raise BadModel(
                f"{source} is not what it must be: its SHA-256 is {found}, and {expected} was expected; nothing of it"
                " was kept. Check the sum, or pull it again from where you trust it",
                code="wrong_checksum",
            )
        try:
            facts = offline.facts(path)
        except Refused as error:
            raise BadModel(
                f"{error.message.replace(str(path), source)}; nothing of it was kept", code=error.code
            ) from error
        return found, str(facts.get("quantization", ""))

    def _expected(self, remote: Remote) -> str:
        if self.sha256 and remote.sha256 and self.sha256 != remote.sha256:
            raise BadModel(
                f"{self.source.shown} has the SHA-256 {remote.sha256}, and {self.sha256} was expected; nothing was"
                " pulled. Check the sum, or name the revision that has it",
                code="wrong_checksum",
            )
        return self.sha256 or remote.sha256

    def _wanted(self, remote: Remote, expected: str) -> Notes:
        return Notes(
            key=self.source.key,
            source=self.source.shown,
            name=self.name,
            sha256=expected,
            size_bytes=remote.size_bytes,
            revision=remote.revision,
        )

    def _known(self, sha256: str) -> Entry | None:
        return self._sound(self.store.get(sha256))

    def _pulled_before(self) -> Entry | None:
        """The latest entry from the same source."""
        key, entries = self.source.key, self.store.entries()
        found = [(entry.origin.pulled_at, entry) for entry in entries if entry.origin.key == key]
        return self._sound(max(found, key=lambda pair: pair[0])[1]) if found else None

    def _sound(self, entry: Entry | None) -> Entry | None:
        """The entry, unless it is to be repaired."""
        return None if entry is None or (self.repair and damage(entry)) else entry


def _origin(notes: Notes, quantization: str) -> Origin:
    return Origin(
        key=notes.key,
        source=notes.source,
        name=notes.name,
        pulled_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        revision=notes.revision,
        etag=notes.etag,
        last_modified=notes.last_modified,
        quantization=quantization,
    )
