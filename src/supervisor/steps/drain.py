"""Step 11: until nothing is under way on the old colour any more, or its time is over."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from supervisor.core import effects as fx
from supervisor.core.events import StepProgressed
from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.errors import WorkerError
from supervisor.workers.probe import Probe

INTERVAL_S = 0.05
TOLD_INTERVAL_S = 0.5  # estimates change all the time


@dataclass(frozen=True, slots=True)
class Drain:
    """Looks, and tells how far it is; what is left at the deadline goes on."""

    edge: Edge
    probe: Probe
    post: Callable[[StepProgressed], None]

    async def run(self, effect: fx.Drain) -> tuple[str, Mapping[str, object]]:
        """Detail and evidence."""
        started, said, told_s = time.monotonic(), "", -TOLD_INTERVAL_S
        while left := await self._left(effect.color):
            waited_s = time.monotonic() - started
            if waited_s > effect.timeout_s:
                detail = f"after {waited_s:.0f} s still {left}: {effect.color} goes on serving them"
                return detail, _evidence(waited_s, left)
            if left != said and waited_s >= told_s + TOLD_INTERVAL_S:
                self.post(StepProgressed(effect.token, left))
                said, told_s = left, waited_s
            await asyncio.sleep(INTERVAL_S)
        waited_s = time.monotonic() - started
        return f"nothing in flight on {effect.color} after {waited_s:.2f} s", _evidence(waited_s, "")

    async def _left(self, color: Color) -> str:
        """What is still under way, in words; empty when nothing is.

        An old nginx worker may still send the old colour a request. An old worker that does not answer may be busy with
        a stream: no reason to go back to it.
        """
        leaving = len(self.edge.old_workers())
        left = [f"{leaving} old nginx worker(s)"] if leaving else []
        try:
            in_flight = await self.probe.in_flight(color)
        except WorkerError:
            return ", ".join([f"{color} does not answer", *left])
        until = "" if in_flight.left_s is None else f", done in {in_flight.left_s:.0f} s at the latest"
        running = [f"{in_flight.requests} request(s) in flight on {color}{until}"] if in_flight.requests else []
        return ", ".join([*running, *left])


def _evidence(waited_s: float, left: str) -> Mapping[str, object]:
    return {"seconds": round(waited_s, 3), "left": left}
