"""What happens, for whoever follows it: a ring of the last events, and followers who read it at their own pace.

A follower is only a place in the ring, so a slow one holds nothing up and costs nothing. One that falls behind by more
than the ring keeps is told how many it missed, and goes on with the oldest that is left.

Numbers are never used twice: each supervisor's begin with a block of their own (`first_id`), so that a follower who
comes back with the number of an earlier supervisor's event is told that it may have missed some.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

from supervisor.core import records as rec
from supervisor.feed.retelling import Reteller
from supervisor.formats import rfc3339
from supervisor.journal import Journal
from supervisor.protocol import happenings as hp

RING = 1000
BLOCK = 10**9  # more than one supervisor ever tells; 2^53, which browsers can count to, has 9 million of them
FACT = "events_from"


def first_id(journal: Journal) -> int:
    """The number this supervisor's events begin with: 1, or in the block after that of the supervisor before."""
    start = int(journal.fact(FACT) or 0)
    journal.remember(FACT, start + BLOCK)
    return start + 1


class Feed:
    """A sink of records. All its methods are to be called in the event loop's thread."""

    def __init__(self, first: int = 1, clock: Callable[[], float] = time.time) -> None:
        self._first = first
        self._next = first
        self._clock = clock
        self._ring: deque[hp.Happening] = deque(maxlen=RING)
        self._reteller = Reteller()
        self._news = asyncio.Event()
        self.closed = False
        self.followers = 0

    @property
    def last(self) -> int:
        """The number of the latest event, or the one before the first."""
        return self._next - 1

    def publish(self, record: rec.Record) -> None:
        """Tell the record, if it is one that is told."""
        happening = self._reteller.told(record, {"id": self._next, "at": rfc3339(self._clock())})
        if happening is None:
            return
        self._next += 1
        self._ring.append(happening)
        self._wake()

    def close(self) -> None:
        """No more will come: followers end once they have read what there is."""
        self.closed = True
        self._wake()

    def since(self, after: int) -> list[hp.Happening]:
        """What came after number `after`, as far as it is kept; what is not is told as EventsMissed."""
        if after == self.last:
            return []
        oldest = self._ring[0].id if self._ring else self._next
        foreign = not self._first - 1 <= after <= self.last
        missed = [self._missed(oldest, None if foreign else oldest - 1 - after)]
        kept = [happening for happening in self._ring if foreign or happening.id > after]
        return [*(missed if foreign or after < oldest - 1 else []), *kept]

    async def news(self, timeout_s: float | None = None) -> bool:
        """Wait until something is published or the feed is closed; False when the time was over before."""
        if self.closed:
            return True
        news = self._news
        try:
            async with asyncio.timeout(timeout_s):
                return await news.wait()
        except TimeoutError:
            return False

    async def follow(self, after: int | None = None) -> AsyncIterator[hp.Happening]:
        """What came after number `after`, None: from now on; then what comes. Ends when the feed is closed."""
        place = self.last if after is None else after
        while not (self.closed and place == self.last):
            told = self.since(place)
            for happening in told:
                place = happening.id
                yield happening
            if not told:
                await self.news()

    def _missed(self, oldest: int, count: int | None) -> hp.EventsMissed:
        """Numbered as the last of those that are missed, so that a follower can go on from there."""
        return hp.EventsMissed(id=oldest - 1, at=rfc3339(self._clock()), count=count)

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
