"""Looks at all that the gauges tell of."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from supervisor.core.account import Machine
from supervisor.core.state import State
from supervisor.edge import Edge
from supervisor.holder import HoldCounts
from supervisor.memory.holdings import Holdings
from supervisor.memory.machine import available
from supervisor.nginx.traffic import EdgeTraffic
from supervisor.telemetry.counters import Deployments
from supervisor.telemetry.forecast import StandbyForecast
from supervisor.telemetry.readings import Reading


@dataclass(frozen=True, slots=True)
class Observer:
    """Asks nobody who might not answer, and leaves the event loop to others."""

    state: Callable[[], State]
    holdings: Holdings
    edge: Edge
    traffic: EdgeTraffic
    forecast: StandbyForecast
    holds: Callable[[], HoldCounts]
    deployments: Deployments

    async def look(self) -> Reading:
        """At this moment; what clients were answered is counted up to now, too."""
        await self.traffic.look()
        forecast = await self.forecast.now(self.state())
        held = await self.holdings.now(self.state())
        machine, old_workers = await asyncio.to_thread(self._outside)
        return Reading(
            state=self.state(),
            held=held,
            available_bytes=machine.available_bytes,
            forecast_bytes=forecast,
            holds=self.holds(),
            old_workers=old_workers,
            deployment_seconds=self.deployments.running_seconds,
        )

    def _outside(self) -> tuple[Machine, int]:
        return available(), len(self.edge.old_workers())
