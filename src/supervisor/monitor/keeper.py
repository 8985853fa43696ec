"""Keeps the managed Prometheus as decided. Whatever goes wrong here is told, and disturbs nobody who serves.

A loop of its own takes events one at a time and has the effects performed; only the keeper writes its state.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, assert_never

import psutil
import structlog

from supervisor.config import Config
from supervisor.core.monitor import messages as msg
from supervisor.core.monitor.decide import decide
from supervisor.core.monitor.lifecycle import Phase
from supervisor.core.records import MonitorChanged
from supervisor.errors import DeadlineExceeded, MonitorError, SupervisorError
from supervisor.executor import Sink
from supervisor.journal import Journal
from supervisor.monitor import prometheus
from supervisor.monitor.prometheus import Launch
from supervisor.monitor.runner import Runner, identity
from supervisor.paths import StatePaths
from supervisor.patience import eventually

FACT = "monitor"
LOG_NAME = "prometheus.log"
STOP_PATIENCE_S = prometheus.STOP_TIMEOUT_S + prometheus.KILL_TIMEOUT_S
SETTLED = (Phase.OFF, Phase.RUNNING, Phase.WAITING, Phase.FAILED)

log = structlog.get_logger()


async def _room() -> None:
    """Nobody counts."""


class Keeper:
    """`room` raises Refused when there is no memory or disk for it."""

    def __init__(
        self,
        config: Config,
        paths: StatePaths,
        journal: Journal,
        sinks: Sequence[Sink],
        room: Callable[[], Awaitable[None]] = _room,
    ) -> None:
        settings = config.monitor
        log_path = paths.logs / LOG_NAME
        self.config = config
        self.launch = Launch(settings.prometheus, settings.listen, settings.retention, paths.monitor, log_path)
        self.monitor = msg.Monitor()
        self._journal, self._sinks = journal, sinks
        self._runner = Runner(config, self.launch, room, self._post)
        self._events: asyncio.Queue[msg.Event] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def process(self) -> psutil.Process | None:
        return self._runner.process

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    # --- what is asked ------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin with what an earlier supervisor left: its wish, and its process."""
        self._spawn(self._run())

    async def up(self) -> None:
        """Have it run; returns when it does. Raises what is in the way, or became of it."""
        if self.monitor.phase is Phase.STOPPING:
            await self._settled(Phase.OFF, STOP_PATIENCE_S)
        if self.monitor.phase is not Phase.RUNNING:
            await self._runner.check()
        self._runner.error = None
        self._post(msg.UpAsked())
        await self._settled(Phase.RUNNING, prometheus.READY_TIMEOUT_S)
        if self.monitor.phase is not Phase.RUNNING:
            raise self._missed()

    def _missed(self) -> SupervisorError:
        """Why it does not run although somebody waits for it: what became of it, or that it was told to end."""
        error, reason = self._runner.error, self.monitor.reason
        if error and error.message == reason:
            return error
        return MonitorError(reason or "Prometheus was stopped meanwhile: somebody asked for `modelsvc monitor down`")

    async def down(self) -> None:
        """Have it stopped, and not started again."""
        self._post(msg.DownAsked())
        await self._settled(Phase.OFF, STOP_PATIENCE_S)

    async def give_way(self, reason: str) -> None:
        """Its memory is needed now; returns when that is free."""
        self._post(msg.Crowded(reason))
        await self._settled(Phase.WAITING, STOP_PATIENCE_S)

    async def close(self) -> None:
        """Nothing is done any more, and who waits is told so. A process goes on, for the next supervisor to find."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while not self._events.empty():
            self._events.get_nowait()
            self._events.task_done()

    async def stop(self) -> None:
        """As `close`, and the process is ended. Whether it is wanted stays on record."""
        await self.close()
        if self.process:
            await self._runner.stop()
            self._runner.process = None
            self._tell(msg.Monitor(wanted=self.monitor.wanted))

    # --- the loop -----------------------------------------------------------------------------------------------------

    def _post(self, event: msg.Event) -> None:
        if not self._closed:  # nobody would take it
            self._events.put_nowait(event)

    async def _run(self) -> None:
        with _told():
            await self._take_up()
        while True:
            event = await self._events.get()
            with _told():
                self.monitor, effects = decide(self.monitor, event)
                for effect in effects:
                    self._perform(effect)
            self._events.task_done()

    def _perform(self, effect: msg.Effect) -> None:
        match effect:
            case msg.Tell(monitor):
                self._tell(monitor)
            case msg.Start():
                self._spawn(self._runner.start())
            case msg.Follow():
                assert self.process is not None, "only what was found is followed"
                self._spawn(self._runner.adopt(self.process))
            case msg.Stop():
                self._spawn(self._runner.stop())
            case msg.After():
                asyncio.get_running_loop().call_later(effect.delay_s, self._post, effect.event)
            case _:
                assert_never(effect)

    def _tell(self, monitor: msg.Monitor) -> None:
        """A journal that cannot be written does not keep it from being run, or stopped."""
        process = monitor.process or msg.Identity(0, 0.0)
        record = MonitorChanged(monitor.wanted, monitor.phase, process.pid or None, process.started_at, monitor.reason)
        for sink in self._sinks:
            try:
                sink.publish(record)
            except SupervisorError as error:
                log.error("monitor_not_recorded", reason=error.message)

    async def _settled(self, wanted: Phase, timeout_s: float) -> None:
        """Wait until it is as wanted, or will not become so by itself. Raises DeadlineExceeded, or MonitorError."""
        await self._events.join()

        async def check() -> bool:
            settled = self._events.empty() and self.monitor.phase in SETTLED
            return self._closed or settled or self.monitor.phase is wanted

        if not await eventually(check, timeout_s):
            raise DeadlineExceeded(
                f"Prometheus is still {self.monitor.phase} after {timeout_s:.0f} s: see `modelsvc ctl logs prometheus`"
            )
        if self._closed:
            raise MonitorError("the supervisor ends: ask again when it runs")

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("monitor_not_kept", exc_info=error)

    # --- what an earlier supervisor left ------------------------------------------------------------------------------

    async def _take_up(self) -> None:
        """A new journal knows nothing: then one that runs is wanted."""
        fact = self._journal.fact(FACT) or {}
        recorded = msg.Identity(int(fact["pid"]), float(fact["created_at"])) if fact.get("pid") else None
        found = await asyncio.to_thread(self.launch.found, recorded)
        wanted = fact.get("wanted", found is not None)
        if wanted and found and self.launch.is_of(found):
            self._runner.process = found
            self._post(msg.Recalled(identity(found)))
            return
        if found:  # it was to be stopped when the supervisor ended, or runs with other settings than it should now
            await prometheus.stop(found)
        if wanted:
            self._post(msg.Recalled())


@contextmanager
def _told() -> Iterator[None]:
    """An error is a defect, but none of the service's."""
    try:
        yield
    except Exception:
        log.exception("monitor_not_kept")
