"""A look that many may ask for and that is taken once."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Fresh(Generic[T]):
    """What `look` finds, good for `seconds`. Whoever asks while it is being looked for waits for the same answer."""

    def __init__(self, look: Callable[[], Awaitable[T]], seconds: float) -> None:
        self._look, self._seconds = look, seconds
        self._task: asyncio.Task[T] | None = None
        self._stale_at = 0.0

    async def get(self) -> T:
        """Raises what `look` raises."""
        if self._task is None or (self._task.done() and time.monotonic() >= self._stale_at):
            self._task = asyncio.get_running_loop().create_task(self._looked())
            self._task.add_done_callback(_heard)
        return await asyncio.shield(self._task)  # one who goes away ends nobody else's look

    async def _looked(self) -> T:
        try:
            return await self._look()
        finally:
            self._stale_at = time.monotonic() + self._seconds


def _heard(task: "asyncio.Task[T]") -> None:
    """All who asked may be gone by now: then a failure is nobody's, and no defect to complain of."""
    if not task.cancelled():
        task.exception()
