"""A source that was found: where its bytes are, and what is known of them beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MAGIC = b"GGUF"  # how every model's file begins


@dataclass(frozen=True, slots=True)
class Remote:
    """`headers` go to the first server only, not to where it redirects to. Empty and None: not known."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""
    size_bytes: int | None = None
    revision: str = ""  # the commit
