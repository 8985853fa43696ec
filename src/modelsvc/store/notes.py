"""What is known of a file that is not all there yet."""

from pathlib import Path

import msgspec

from supervisor.protocol import Struct, encode


class Notes(Struct, frozen=True):
    """Of one source. `etag` and `last_modified` are of the answer that the bytes so far came from."""

    key: str
    source: str  # for people: without secrets
    name: str
    sha256: str = ""  # that it must have; empty: not known
    size_bytes: int | None = None  # of the whole file
    synced_bytes: int = 0  # so many are on the disk for sure
    etag: str = ""
    last_modified: str = ""
    revision: str = ""

    @property
    def validator(self) -> str:
        """What a server can compare to tell whether it is still the same file, byte by byte; empty: nothing."""
        weak = not self.etag or self.etag.startswith("W/")
        return self.last_modified if weak else self.etag

    @property
    def resumable(self) -> bool:
        """Whether anything tells that the rest is of the same file: the server, or in the end the sum."""
        return bool(self.validator or self.sha256)

    def goes_on(self, other: "Notes") -> bool:
        """Whether bytes noted here may be the beginning of what `other` wants."""
        return self.resumable and (not other.sha256 or self.sha256 in ("", other.sha256))


def read(path: Path) -> Notes | None:
    """None when there are none, or none that can be read: then nothing is known."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Notes)
    except (OSError, msgspec.DecodeError):
        return None


def write(path: Path, notes: Notes) -> None:
    """Replace them as a whole. Raises OSError."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(encode(notes))
    beside.replace(path)
