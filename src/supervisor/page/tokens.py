"""How many tokens a second each worker generates, by its own metrics.

The counter of completion tokens goes up when an answer ends, so a long answer would be one needle in a chart. Every
token but an answer's first is also one observed gap between tokens, at once, and every answer's first one observed time
to it: together they count the same tokens while they come.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from supervisor.core.state import Color

GAPS = "modelsvc_inter_token_seconds_count"
FIRST = "modelsvc_time_to_first_token_seconds_count"


@dataclass(frozen=True, slots=True)
class Count:
    """What one worker had generated at a moment of the monotonic clock."""

    worker_id: str
    tokens: float
    at: float


class TokenRates:
    """Between the last two looks. `read` gets a worker's metrics as text, or None when it does not answer at once."""

    def __init__(
        self, read: Callable[[Color], Awaitable[str | None]], worker_id: Callable[[Color], str | None]
    ) -> None:
        self._read, self._worker_id = read, worker_id
        self._counts: dict[Color, Count | None] = {}
        self.per_s: dict[Color, float | None] = {}

    async def look(self) -> None:
        """Costs a worker about 3 ms."""
        for color, now in zip(Color, await asyncio.gather(*map(self._count, Color)), strict=True):
            self.per_s[color] = gained(self._counts.get(color), now)
            self._counts[color] = now

    async def _count(self, color: Color) -> Count | None:
        worker = self._worker_id(color)
        text = await self._read(color) if worker else None
        tokens = tokens_in(text) if text else None
        return None if worker is None or tokens is None else Count(worker, tokens, time.monotonic())


def gained(before: Count | None, now: Count | None) -> float | None:
    """Tokens a second; None where there are no two counts of one worker."""
    if before is None or now is None or before.worker_id != now.worker_id or now.at <= before.at:
        return None
    return round(max(0.0, now.tokens - before.tokens) / (now.at - before.at), 2)


def tokens_in(text: str) -> float | None:
    """None when the text does not tell."""
    found = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith((f"{GAPS} ", f"{FIRST} "))]
    try:
        return sum(map(float, found)) if len(found) == 2 else None
    except ValueError:
        return None
