"""What a standby with the active release would hold, kept until something may have changed that."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from supervisor.core.state import State

PATIENCE_S = 0.2  # looking into a model file for the first time takes a process

log = structlog.get_logger()

Key = tuple[int | None, int, bool]


class StandbyForecast:
    """`make` is asked anew for another release, and when a deployment has begun or ended, for it may have measured."""

    def __init__(self, make: Callable[[State], Awaitable[int | None]]) -> None:
        self._make = make
        self._key: Key | None = None
        self._task: asyncio.Task[int | None] | None = None

    async def now(self, state: State) -> int | None:
        """Bytes; None when it is not known, or not yet: the answer does not wait for it."""
        key = (state.active_release, state.last_deployment, state.deployment is None)
        if key != self._key or self._task is None:
            self._key, self._task = key, asyncio.create_task(self._made(state))
        await asyncio.wait({self._task}, timeout=PATIENCE_S)
        return self._task.result() if self._task.done() else None

    async def _made(self, state: State) -> int | None:
        try:
            return await self._make(state)
        except Exception:
            log.exception("forecast_not_made", release=state.active_release)
            return None
