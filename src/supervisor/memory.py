"""What processes hold, as the system tells it."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """Bytes: resident, private (USS), and proportional (PSS; Linux only)."""

    rss_bytes: int
    private_bytes: int
    pss_bytes: int | None


def measure(process: psutil.Process | None) -> ProcessMemory | None:
    """None when the process is gone, or not ours to look into."""
    if process is None:
        return None
    try:
        full = process.memory_full_info()
    except psutil.Error:
        return None
    return ProcessMemory(full.rss, full.uss, getattr(full, "pss", None))
