"""The loop: one queue, and the only writer of the state."""

import asyncio
from typing import Protocol

from supervisor.core.effects import Effect, Exit
from supervisor.core.events import Event
from supervisor.core.planner import decide
from supervisor.core.state import State


class Performs(Protocol):
    """Whoever does what was decided; never waits, and answers with events."""

    def perform(self, effect: Effect) -> None: ...


class Loop:
    """Takes events one at a time, decides, and has the effects performed in order.

    Everything else only reads `state`, which is frozen, and posts events. An error here is a defect or a journal that
    cannot be written: it ends the supervisor, whose workers go on, rather than let decisions go unrecorded.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.has_begun = False  # before that it is not known what an earlier supervisor left
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def begin_with(self, state: State) -> None:
        """What an earlier supervisor left; to be called before `run`."""
        self.state, self.has_begun = state, True

    def post(self, event: Event) -> None:
        """Hand in what happened. To be called in the event loop's thread."""
        self._events.put_nowait(event)

    async def run(self, executor: Performs) -> None:
        """Until an Exit is decided."""
        while True:
            self.state, effects = decide(self.state, await self._events.get())
            for effect in effects:
                if isinstance(effect, Exit):
                    return
                executor.perform(effect)
