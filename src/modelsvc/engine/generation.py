"""One answer on its way, as whoever asked for it sees it. On the asyncio loop."""

import asyncio
import time
from collections.abc import Callable

from modelsvc.engine.messages import Embedded, Failed, News, Started
from modelsvc.engine.types import Event, Finished, Token


class Generation:
    """An async iterator of `Token`s that ends with one `Finished`; raises the EngineError that ended it otherwise.

    That of an EmbeddingRequest has no tokens, and at its end the `embedding`: a vector of length 1.
    """

    def __init__(self, max_tokens: int, cancel: Callable[[], None], ended: Callable[[Finished | Failed], None]) -> None:
        self.submitted_at = time.monotonic()
        self.started = False
        self.embedding: tuple[float, ...] = ()
        self.cancel = cancel  # gives the turn back at the next step; does nothing once the generation is over
        self._max_tokens = max_tokens
        self._ended = ended
        self._came_at: list[float] = []  # its first token and its last one
        self._tokens = 0
        self._events: asyncio.Queue[Event | Failed] = asyncio.Queue()
        self._over = False

    def __aiter__(self) -> "Generation":
        return self

    async def __anext__(self) -> Event:
        if self._over:
            raise StopAsyncIteration
        event = await self._events.get()
        self._over = isinstance(event, Finished | Failed)
        if isinstance(event, Failed):
            raise event.error
        return event

    def receive(self, news: News) -> None:
        """What the decoding thread has to tell."""
        match news:
            case Started():
                self.started = True
                return
            case Embedded(vector):
                self.embedding = vector
                return
            case Token():
                self._tokens += 1
                self._came_at = [*self._came_at[:1], time.monotonic()]
            case Finished() | Failed():
                self._ended(news)
        self._events.put_nowait(news)

    @property
    def left_s(self) -> float | None:
        """How long it takes at most, at its pace so far; None while that is not known."""
        if len(self._came_at) < 2:
            return None
        first, last = self._came_at
        return (last - first) / (self._tokens - 1) * (self._max_tokens - self._tokens)
