"""This process's memory."""

import sys
from dataclasses import dataclass

import psutil

from modelsvc import smaps


@dataclass(frozen=True, slots=True)
class Memory:
    rss_bytes: int
    private_bytes: int  # on Linux without the model file's pages, also where nobody else maps it
    pss_bytes: int | None  # Linux only


def own_memory() -> Memory:
    return _of_linux() if sys.platform == "linux" else _of_psutil()


def _of_linux() -> Memory:
    fields = smaps.rollup("self")
    return Memory(fields["Rss"], smaps.private_bytes(fields), fields.get("Pss"))


def _of_psutil() -> Memory:
    full = psutil.Process().memory_full_info()
    return Memory(full.rss, full.uss, None)
