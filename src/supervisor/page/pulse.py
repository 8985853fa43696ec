"""The last ten minutes of traffic, a sample every two seconds: for the page's charts.

Requests are those that nginx logged, so they are as clients saw them; tokens are those that workers counted. Workers
are asked with every sample while somebody looks, and else with every fifth, as often as Prometheus asks them.
"""

import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import chain
from math import ceil

from supervisor.chores import repeat
from supervisor.core.state import Color
from supervisor.nginx.access_log import EdgeEntry
from supervisor.page.tokens import TokenRates
from supervisor.protocol.base import Struct

INTERVAL_S = 2.0
KEPT_S = 600.0
LATENCY_SAMPLES = 5  # one alone may have a single answer
WATCHED_S = 30.0  # after a look
UNWATCHED_SAMPLES = 5  # from one question for tokens to the next
FAILED = 500


class ColorPulse(Struct, frozen=True):
    """One colour in one sample; null is what was not measured. Latency is that of the last LATENCY_SAMPLES samples."""

    requests_per_s: float
    p50_s: float | None
    p95_s: float | None
    tokens_per_s: float | None


class Sample(Struct, frozen=True):
    """`failed`: requests that ended with 500 or more, whoever answered them."""

    number: int
    at_ms: int
    active: Color | None
    failed: int
    colors: dict[Color, ColorPulse]


class PulseReport(Struct, frozen=True):
    """GET /api/pulse. Numbers count from 1 in each `run` of the supervisor."""

    run: int
    interval_s: float
    samples: list[Sample]


class Pulse:
    """`look` has the traffic read up to now. `run` is a number that no other supervisor has."""

    def __init__(
        self, run: int, active: Callable[[], Color | None], tokens: TokenRates, look: Callable[[], Awaitable[None]]
    ) -> None:
        self._run, self._active, self._tokens, self._look = run, active, tokens, look
        self._samples: deque[Sample] = deque(maxlen=ceil(KEPT_S / INTERVAL_S))
        self._number = 0
        self._failed = 0
        self._seconds: dict[Color, deque[list[float]]] = {color: deque([[]], maxlen=LATENCY_SAMPLES) for color in Color}
        self._began = time.monotonic()
        self._watched_until = 0.0

    def answered(self, entries: Sequence[EdgeEntry]) -> None:
        """What nginx logged; for EdgeTraffic.follow."""
        for entry in entries:
            self._failed += entry.status >= FAILED
            if entry.color is not None:
                self._seconds[entry.color][-1].append(entry.seconds)

    def report(self, after: int) -> PulseReport:
        """The samples after number `after`. Whoever asks is taken to look for a while."""
        self._watched_until = time.monotonic() + WATCHED_S
        samples = [sample for sample in self._samples if sample.number > after]
        return PulseReport(run=self._run, interval_s=INTERVAL_S, samples=samples)

    async def run(self) -> None:
        """Take samples until cancelled."""
        await repeat(self.sample, INTERVAL_S, "pulse_not_taken")

    async def sample(self) -> None:
        """End one interval and begin the next."""
        await self._look()
        if time.monotonic() < self._watched_until or self._number % UNWATCHED_SAMPLES == 0:
            await self._tokens.look()
        now = time.monotonic()
        passed, self._began = now - self._began, now
        colors = {color: self._color(color, passed) for color in Color}
        self._number += 1
        self._samples.append(
            Sample(
                number=self._number,
                at_ms=round(time.time() * 1000),
                active=self._active(),
                failed=self._failed,
                colors=colors,
            )
        )
        self._failed = 0
        for seconds in self._seconds.values():
            seconds.append([])

    def _color(self, color: Color, passed: float) -> ColorPulse:
        recent = sorted(chain.from_iterable(self._seconds[color]))
        return ColorPulse(
            requests_per_s=round(len(self._seconds[color][-1]) / passed, 3),
            p50_s=quantile(recent, 0.5),
            p95_s=quantile(recent, 0.95),
            tokens_per_s=self._tokens.per_s.get(color),
        )


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """The nearest rank: one of the values; None without any."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None
