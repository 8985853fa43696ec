"""What a worker holds while it is asked: memory, open files, slots and places, looked at again and again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import linear_regression, median
from typing import Any

import httpx
import psutil

from supervisor.memory import usage


@dataclass(frozen=True, slots=True)
class Look:
    """`answering` and `waiting` by the engine; `open_requests` by the worker, those without an answer included."""

    at_s: float
    private_bytes: int
    files: int
    answering: int
    waiting: int
    open_requests: int

    @property
    def free(self) -> bool:
        return not (self.answering or self.waiting or self.open_requests)


async def look(http: httpx.AsyncClient) -> Look:
    """Memory is that of the process which answers, and so of this machine."""
    report = (await http.get("/health/deep")).raise_for_status().json()
    process = psutil.Process(report["pid"])
    found = usage.measure(process)
    engine: dict[str, Any] = report["engine"]
    return Look(
        at_s=time.monotonic(),
        private_bytes=found.private_bytes if found else 0,
        files=process.num_fds(),
        answering=engine["in_flight"],
        waiting=engine["waiting"],
        open_requests=report["requests"]["in_flight"],
    )


async def look_often(http: httpx.AsyncClient, every_s: float, seen: Callable[[Look], None]) -> None:
    """Until it is cancelled."""
    while True:
        seen(await look(http))
        await asyncio.sleep(every_s)


async def becomes_free(http: httpx.AsyncClient, within_s: float) -> Look:
    """The first look that finds every slot and place free, or else the last one."""
    end = time.monotonic() + within_s
    while not (found := await look(http)).free and time.monotonic() < end:
        await asyncio.sleep(0.05)
    return found


@dataclass(frozen=True, slots=True)
class Trend:
    """Medians of a value at the begin, in the middle and at the end of a run, and what it grows by in a minute."""

    begin: float
    middle: float
    end: float
    per_minute: float


def trend(times_s: Sequence[float], values: Sequence[float]) -> Trend:
    """Of three values or more."""
    third = len(values) // 3
    slope = linear_regression(times_s, values).slope
    return Trend(median(values[:third]), median(values[third:-third]), median(values[-third:]), 60 * slope)
