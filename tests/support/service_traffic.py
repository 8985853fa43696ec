"""Steady traffic beside a test that is not asynchronous."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from disposable.waiting import until
from loadtest.traffic import Report, Traffic

T = TypeVar("T")


class SteadyTraffic:
    """Traffic in a thread with a loop of its own. `report` is that of the moment, or the last one."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._loop = asyncio.new_event_loop()
        self._final: Report | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="traffic")

    def start(self) -> None:
        self._thread.start()
        self._await(self._traffic.start())
        self.goes_on()

    def stop(self) -> Report:
        report = self._await(self._traffic.stop())
        self._final = report
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        return report

    def report(self) -> Report:
        if self._final:
            return self._final

        async def told() -> Report:
            return self._traffic.report()

        return self._await(told())

    def goes_on(self, answers: int = 16) -> None:
        """Wait until that many more requests have been sent and answered, or failed."""
        wanted = self.report().sent + answers
        until(lambda: self.report().sent >= wanted, f"{answers} more requests")

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(90)


@contextmanager
def steady_traffic(
    url: str, clients: int = 8, think_s: float = 0.05, stream_share: float = 0.5
) -> Iterator[SteadyTraffic]:
    """8 clients with plain requests and streams. Fails at the end if a request failed or a stream was cut."""
    steady = SteadyTraffic(Traffic(url, clients, stream_share, think_s=think_s))
    steady.start()
    try:
        yield steady
    finally:
        report = steady.stop()
    assert (report.failed, report.cut) == (0, 0), report
    assert report.streams or not stream_share


def plain_traffic(url: str, clients: int = 4) -> AbstractContextManager[SteadyTraffic]:
    """Without streams: what a killed worker had not answered can be asked again of the next one."""
    return steady_traffic(url, clients, stream_share=0.0)
