"""The status page put together."""

import os
from collections.abc import Callable

from litestar import Router

from supervisor.config import Config
from supervisor.control.app import ControlPlane
from supervisor.core.state import Color, State
from supervisor.nginx.traffic import EdgeTraffic
from supervisor.page.access import access_of
from supervisor.page.chat import Relay
from supervisor.page.pulse import Pulse
from supervisor.page.routes import page_routes
from supervisor.page.tokens import TokenRates
from supervisor.workers.probe import Probe


class Page:
    """Its routes, and what runs behind them. Nothing else of the supervisor depends on it."""

    def __init__(
        self, config: Config, plane: ControlPlane, probe: Probe, traffic: EdgeTraffic, state: Callable[[], State]
    ) -> None:
        self._access = access_of(config)
        self._plane = plane
        self._relay = Relay(config.edge.listen)
        tokens = TokenRates(probe.metrics, lambda color: _worker(state(), color))
        self._pulse = Pulse(os.getpid(), lambda: state().active, tokens, traffic.look)
        traffic.follow(self._pulse.answered)

    def routes(self) -> list[Router]:
        return page_routes(self._plane, self._pulse, self._relay, self._access)

    async def run(self) -> None:
        """Take samples for the charts until cancelled."""
        await self._pulse.run()

    async def close(self) -> None:
        await self._relay.close()


def _worker(state: State, color: Color) -> str | None:
    slot = state.slots[color]
    return slot.worker_id if slot.serves else None
