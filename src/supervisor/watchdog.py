"""The watchdog looks at what runs, all the time: what it sees goes to the planner, which decides what it means."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from supervisor.chores import repeat
from supervisor.core import account
from supervisor.core import events as ev
from supervisor.core.state import EdgePhase, Slot, State
from supervisor.edge import Edge
from supervisor.errors import WorkerError
from supervisor.memory.holdings import PROMETHEUS, Holdings
from supervisor.workers.probe import Probe

INTERVAL_S = 1.0
LOOK_TIMEOUT_S = 2.0  # a few of these, one after the other, must pass before a hung worker is ended


@dataclass(frozen=True, slots=True)
class Watchdog:
    """`state` is only read, to know where to look."""

    state: Callable[[], State]
    post: Callable[[ev.Event], None]
    probe: Probe
    holdings: Holdings
    edge: Edge
    interval_s: float = INTERVAL_S

    async def run(self) -> None:
        """Until cancelled."""
        await repeat(self.look, self.interval_s, "look_failed")

    async def look(self) -> None:
        """At each worker that serves, at the memory of all, and at the route."""
        state = self.state()
        held = await self.holdings.now(state)
        private = {each.color: each.memory.private_bytes for each in held}
        serving = [slot for slot in state.slots.values() if slot.serves]
        await asyncio.gather(*(self._worker(slot, private.get(slot.color)) for slot in serving))
        used, _ = account.total(each.holding for each in held if each.who != PROMETHEUS)  # it gives way by itself
        self.post(ev.MemorySeen(used))
        if state.edge is EdgePhase.RUNNING:
            self.post(ev.RouteSeen(self.edge.read_route()))

    async def _worker(self, slot: Slot, private_bytes: int | None) -> None:
        problem = await self._problem(slot)
        if slot.worker_id:
            self.post(ev.WorkerSeen(slot.worker_id, problem, private_bytes))

    async def _problem(self, slot: Slot) -> str:
        try:
            await self.probe.ready(slot.color, LOOK_TIMEOUT_S)
        except WorkerError as error:
            return error.message
        return ""
