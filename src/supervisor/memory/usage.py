"""What processes hold, as the system tells it.

Private is what only the process can give back: on Linux its anonymous and swapped pages. USS has besides the pages of
files that nobody else maps at the moment, and so all the weights of a worker that is alone; they are the file's, and
are counted there. That a page is dirty tells nothing: those of a file that was just written are, whoever maps it. On
macOS private is USS, and there is no PSS.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from modelsvc.smaps import field, private_bytes, rollup
from supervisor.core.sharing import FileMapping


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Bytes: resident, private, unique (USS), and proportional (PSS; Linux only)."""

    rss_bytes: int
    private_bytes: int
    uss_bytes: int
    pss_bytes: int | None

    def plus(self, other: "ProcessMemory") -> "ProcessMemory":
        """Both together; pages they share are in RSS twice."""
        both_tell = self.pss_bytes is not None and other.pss_bytes is not None
        return ProcessMemory(
            self.rss_bytes + other.rss_bytes,
            self.private_bytes + other.private_bytes,
            self.uss_bytes + other.uss_bytes,
            (self.pss_bytes or 0) + (other.pss_bytes or 0) if both_tell else None,
        )


def measure(process: psutil.Process | None) -> ProcessMemory | None:
    """None when the process is gone, or not ours to look into. Takes about 10 ms for a gigabyte of pages."""
    if process is None:
        return None
    try:
        return _of_linux(process.pid) if sys.platform == "linux" else _of_psutil(process)
    except (psutil.Error, OSError):
        return None


def file_mapping(pid: int, identity: tuple[int, int]) -> FileMapping | None:
    """How the file (device, inode) is mapped in the process; None where the system does not show it."""
    try:
        text = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = [fields for mapped, fields in _areas(text.splitlines()) if mapped == identity]  # filled by now
    return FileMapping(
        sum(fields.get("Rss", 0) for fields in found), sum(fields.get("Anonymous", 0) for fields in found)
    )


def tells_weights_apart() -> bool:
    """Whether private bytes never have mapped weights in them, even when only one process maps them."""
    return sys.platform == "linux"


def _of_linux(pid: int) -> ProcessMemory | None:
    """A process that has become a zombie has no memory."""
    fields = rollup(pid)
    if not fields.get("Rss"):
        return None
    unique = fields.get("Private_Dirty", 0) + fields.get("Private_Clean", 0)
    return ProcessMemory(fields["Rss"], private_bytes(fields), unique, fields.get("Pss"))


def _of_psutil(process: psutil.Process) -> ProcessMemory:
    full = process.memory_full_info()
    return ProcessMemory(full.rss, full.uss, full.uss, getattr(full, "pss", None))


def _areas(lines: list[str]) -> Iterator[tuple[tuple[int, int] | None, dict[str, int]]]:
    """Each mapping in `smaps` with the identity of its file and its fields."""
    fields: dict[str, int] = {}
    for line in lines:
        first = line.split(None, 1)[0]
        if first.endswith(":"):
            name, size = field(line)
            fields[name] = size
        else:
            fields = {}
            yield _identity(line), fields


def _identity(header: str) -> tuple[int, int] | None:
    """`7f…-7f… r--s 0015d000 fe:00 2146323 /path`: the device as os.stat gives it, and the inode."""
    _, _, _, device, inode, *_ = header.split(None, 5)
    major, minor = (int(part, 16) for part in device.split(":"))
    return (os.makedev(major, minor), int(inode)) if int(inode) else None
