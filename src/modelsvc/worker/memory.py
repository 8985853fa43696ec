"""This process's memory."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Memory:
    rss_bytes: int
    private_bytes: int
    pss_bytes: int | None  # Linux only


def own_memory() -> Memory:
    full = psutil.Process().memory_full_info()
    return Memory(full.rss, full.uss, getattr(full, "pss", None))
