"""Looks at files off the loop, one after the other: where their file system hangs, the service goes on."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from supervisor.offload import in_thread

LATE_S = 10.0

T = TypeVar("T")


class Looks:
    """`late` is called when a look takes longer than `late_s`: once, until one has come to its end again."""

    def __init__(self, late: Callable[[], None], late_s: float = LATE_S) -> None:
        self._late, self._late_s = late, late_s
        self._told = False

    async def take(self, look: Callable[[], T]) -> T:
        """What it returns, or raises, however long that takes."""
        looking = asyncio.wrap_future(in_thread(look))
        try:
            _, late = await asyncio.wait({looking}, timeout=self._late_s)
            if late and not self._told:
                self._told = True
                self._late()
            return await looking
        finally:
            self._told = self._told and not looking.done()
            looking.cancel()
