"""A model in the store."""

from dataclasses import dataclass
from pathlib import Path

from supervisor.protocol import Struct


class Origin(Struct, frozen=True):
    """Where a model came from: kept beside it, so that it is not pulled again for nothing."""

    key: str  # of the source
    source: str  # for people: without secrets
    pulled_at: str
    revision: str = ""  # the commit, of a repository
    etag: str = ""
    last_modified: str = ""
    quantization: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, by its content. Neither the file nor its folder is ever changed."""

    sha256: str
    name: str
    path: Path
    size_bytes: int
    origin: Origin | None = None


class EntryReport(Struct, frozen=True):
    """An entry as JSON."""

    sha256: str
    name: str
    path: str
    size_bytes: int
    source: str


def report(entry: Entry) -> EntryReport:
    return EntryReport(
        sha256=entry.sha256,
        name=entry.name,
        path=str(entry.path),
        size_bytes=entry.size_bytes,
        source=entry.origin.source if entry.origin else "",
    )


def short(sha256: str) -> str:
    """As much of it as tells models apart."""
    return sha256[:12]
