"""The watch after the switch, with the old colour still there to go back to."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from supervisor.core.bake import Baseline, BreachKind, Limits, Look, breach, counts, medians, unjudged
from supervisor.core.state import Color
from supervisor.errors import WorkerError
from supervisor.workers.probe import Probe

INTERVAL_S = 0.25
READY_TIMEOUT_S = 2.0
FAILURES = 3  # in a row: one late answer is no breach


class Bake:
    """`switched` is called when the edge was switched, `run` when the old colour has finished what it had."""

    def __init__(self, probe: Probe, limits: Limits) -> None:
        self._probe = probe
        self._limits = limits
        self._baseline = Baseline()
        self._now: Look | None = None
        self._began = 0.0

    async def switched(self, old: Color) -> None:
        """Remember how both colours do."""
        self._baseline = Baseline(await self._look(old), await self._look(old.other))

    async def run(self, color: Color, seconds: float) -> tuple[str, Mapping[str, object]]:
        """Detail and evidence. Raises WorkerError at the first breach, whose kind is in its evidence as `breach`."""
        self._began, self._now = time.monotonic(), None
        try:
            told = await stays_ready(self._probe, color, seconds, self._judge)
        except WorkerError as error:
            error.evidence = {"breach": BreachKind.NOT_READY, **error.evidence}
            raise
        said, evidence = self._result(told)
        self._baseline = Baseline()
        return said, evidence

    def _result(self, told: str) -> tuple[str, Mapping[str, object]]:
        """What the looks came to, compared with how the old colour did."""
        baseline, now, baked_s = self._baseline, self._now or Look(), self._baked_s()
        answered, failed = counts(baseline, now) if self._now else (0, 0)
        why_not = unjudged(baseline, now, baked_s, self._limits)
        before = baseline.old.timings if baseline.old else ()
        evidence = {
            "looks": told,
            "requests": answered,
            "failed": failed,
            "latency_before": medians(before),
            "latency_after": medians(now.since(baked_s)),
            "unjudged": why_not,
        }
        return f"{told}; {failed} of {answered} requests failed; {why_not or 'latency as before'}", evidence

    async def _judge(self, color: Color) -> None:
        now = await self._look(color)
        if now is None:
            return
        self._now = now
        if why := breach(self._baseline, now, self._baked_s(), self._limits):
            text, evidence = f"the {color} worker: {why.text}", {"breach": why.kind}
            raise WorkerError(text, code="bake_breach", evidence=evidence, transient=False)

    async def _look(self, color: Color) -> Look | None:
        return Look.from_health(await self._probe.health(color))

    def _baked_s(self) -> float:
        return time.monotonic() - self._began


async def stays_ready(
    probe: Probe, color: Color, seconds: float, judge: Callable[[Color], Awaitable[None]] | None = None
) -> str:
    """Watch for `seconds`. Raises WorkerError after FAILURES bad answers in a row, and what `judge` raises.

    A bad answer at the end is followed up until it is clear what it meant.
    """
    deadline, bad, good, asked = time.monotonic() + seconds, 0, 0, 0
    while bad or time.monotonic() < deadline:
        asked += 1
        try:
            await probe.ready(color, READY_TIMEOUT_S)
            bad, good = 0, good + 1
        except WorkerError:
            bad += 1
            if bad == FAILURES:
                raise
        if judge is not None:
            await judge(color)
        await asyncio.sleep(INTERVAL_S if bad else min(INTERVAL_S, max(0.0, deadline - time.monotonic())))
    return f"ready in {good} of {asked} looks"
