"""A model in the store."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from supervisor.protocol import Struct


class Origin(Struct, frozen=True):
    """Where a model came from: kept beside it, so that it is not pulled again for nothing."""

    key: str  # of the source
    source: str  # for people: without secrets
    pulled_at: str
    name: str = ""  # of the model's file; empty: as earlier versions wrote it
    revision: str = ""  # the commit, of a repository
    etag: str = ""
    last_modified: str = ""
    quantization: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, by its content. The file is never changed, only replaced or removed as a whole."""

    sha256: str
    name: str
    path: Path
    size_bytes: int
    origin: Origin


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
        source=entry.origin.source,
    )


def repair_command(entry: Entry) -> str:
    """What puts a sound file in the place of a damaged one."""
    return f"modelsvc model pull {shlex.quote(entry.origin.source)} --repair"


def short(sha256: str) -> str:
    """As much of it as tells models apart."""
    return sha256[:12]
