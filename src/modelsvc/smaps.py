"""What Linux tells of a process's memory, read in one way by workers and supervisor."""

from collections.abc import Mapping
from pathlib import Path

KIB = 1024


def rollup(pid: int | str) -> dict[str, int]:
    """The sums over all mappings, in bytes, by the system's names; of "self" too. Raises OSError."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return dict(field(line) for line in lines[1:])


def private_bytes(fields: Mapping[str, int]) -> int:
    """What only the process can give back: anonymous pages and swapped ones, never those of a mapped file.

    Anonymous pages may be shared with a parent, dirty ones be a file's.
    """
    return min(fields.get("Private_Dirty", 0), fields.get("Anonymous", 0)) + fields.get("SwapPss", 0)


def field(line: str) -> tuple[str, int]:
    """`Rss:   1029132 kB`; what is no size counts as 0."""
    name, _, rest = line.partition(":")
    number, _, unit = rest.strip().partition(" ")
    return name, int(number) * KIB if unit == "kB" else 0
