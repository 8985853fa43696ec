"""The thread that runs the decode loop, and another one when a standby becomes what clients ask.

In the background the loop has one thread of low priority. The first client's request gives it all its threads, still of
low priority: they have whatever the other worker, which finishes what it has, leaves. When that has finished, as the
supervisor tells, or after `YIELD_S`, the loop is run at normal priority; it always is when it began so.
"""

import asyncio
from threading import Thread

from modelsvc.engine.loop import DecodeLoop
from modelsvc.engine.messages import HandOver, Stop, UseThreads
from modelsvc.engine.priority import stand_back

YIELD_S = 30.0


class Decoder:
    def __init__(self, loop: DecodeLoop, threads: int, *, background: bool) -> None:
        self._loop = loop
        self._threads = threads
        self._background = background
        self._due: asyncio.TimerHandle | None = None
        if background:
            loop.inbox.put(UseThreads(1))
        self._thread = Thread(target=self._stand_back if background else loop.run, name="decode", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def come_forward(self, *, now: bool = False) -> None:
        """Clients are to be served; `now`: nobody else has to finish anything. On the asyncio loop, once or often."""
        if self._background:
            self._background = False
            self._loop.inbox.put(UseThreads(self._threads))
            self._due = asyncio.get_running_loop().call_later(YIELD_S, self._hand_over)
        if now and self._due is not None:
            self._due.cancel()
            self._hand_over()

    def stop(self) -> None:
        """Returns when the loop has ended."""
        self._loop.inbox.put(Stop())
        self._thread.join()

    def _stand_back(self) -> None:
        stand_back()
        self._loop.run()

    def _hand_over(self) -> None:
        """A thread that this one starts has its priority, which is normal.

        It is known before the old one is told, so that `stop` never waits for the wrong one.
        """
        self._due = None
        if self.alive:
            self._thread = Thread(target=self._go_on_after, args=(self._thread,), name="decode", daemon=True)
            self._thread.start()
            self._loop.inbox.put(HandOver())

    def _go_on_after(self, before: Thread) -> None:
        before.join()
        if self._loop.handed_over:
            self._loop.run()
