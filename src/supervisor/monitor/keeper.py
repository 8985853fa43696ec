"""Keeps the managed Prometheus as decided. Whatever goes wrong here is told, and disturbs nobody who serves.

A loop of its own takes events one at a time and has the effects performed; only the keeper writes its state.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, assert_never

import psutil
import structlog

from supervisor import processes
from supervisor.config import Config, split_listen
from supervisor.core.monitor import messages as msg
from supervisor.core.monitor.decide import decide
from supervisor.core.monitor.lifecycle import Phase
from supervisor.core.records import MonitorChanged
from supervisor.errors import DeadlineExceeded, MonitorError, Refused, SupervisorError
from supervisor.executor import Sink
from supervisor.journal import Journal
from supervisor.monitor import files, prometheus
from supervisor.monitor.prometheus import Launch
from supervisor.paths import StatePaths
from supervisor.patience import eventually
from supervisor.ports import check_free, naming

FACT = "monitor"
LOG_NAME = "prometheus.log"
STOP_PATIENCE_S = prometheus.STOP_TIMEOUT_S + prometheus.KILL_TIMEOUT_S
SETTLED = (Phase.OFF, Phase.RUNNING, Phase.WAITING, Phase.FAILED)

log = structlog.get_logger()


async def _room() -> None:
    """Nobody counts."""


@dataclass(slots=True)
class Keeper:
    """`room` raises Refused when there is no memory for it."""

    config: Config
    paths: StatePaths
    journal: Journal
    sinks: Sequence[Sink]
    room: Callable[[], Awaitable[None]] = _room
    monitor: msg.Monitor = field(default_factory=msg.Monitor, init=False)
    _process: psutil.Process | None = field(default=None, init=False)
    _error: SupervisorError | None = field(default=None, init=False)  # why it could not be started
    _events: "asyncio.Queue[msg.Event]" = field(default_factory=asyncio.Queue, init=False)
    _tasks: "set[asyncio.Task[None]]" = field(default_factory=set, init=False)

    @property
    def launch(self) -> Launch:
        settings = self.config.monitor
        log_path = self.paths.logs / LOG_NAME
        return Launch(settings.prometheus, settings.listen, settings.retention, self.paths.monitor, log_path)

    @property
    def process(self) -> psutil.Process | None:
        return self._process

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    # --- what is asked ------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Begin with what an earlier supervisor left: its wish, and its process."""
        self._spawn(self._run())

    async def _take_up(self) -> None:
        """A new journal knows nothing: then one that runs is wanted."""
        fact = self.journal.fact(FACT) or {}
        recorded = msg.Identity(int(fact["pid"]), float(fact["created_at"])) if fact.get("pid") else None
        found = await asyncio.to_thread(self.launch.found, recorded)
        if fact.get("wanted", found is not None):
            self._recall(found)
        elif found:
            self._spawn(prometheus.stop(found))  # it was to be stopped when the supervisor ended

    async def up(self) -> None:
        """Have it run; returns when it does. Raises what is in the way, or became of it."""
        if self.monitor.phase is Phase.STOPPING:
            await self._settled(Phase.OFF, STOP_PATIENCE_S)
        if self.monitor.phase is not Phase.RUNNING:
            await self._check()
        self._error = None
        self._post(msg.UpAsked())
        await self._settled(Phase.RUNNING, prometheus.READY_TIMEOUT_S)
        if self.monitor.phase is not Phase.RUNNING:
            raise self._error or MonitorError(self.monitor.reason or "Prometheus was stopped meanwhile")

    async def down(self) -> None:
        """Have it stopped, and not started again."""
        self._post(msg.DownAsked())
        await self._settled(Phase.OFF, STOP_PATIENCE_S)

    async def give_way(self, reason: str) -> None:
        """Its memory is needed now; returns when that is free."""
        self._post(msg.Crowded(reason))
        await self._settled(Phase.WAITING, STOP_PATIENCE_S)

    async def close(self) -> None:
        """Nothing is done any more. A process goes on, for the next supervisor to find."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """As `close`, and the process is ended. Whether it is wanted stays on record."""
        await self.close()
        if self._process:
            await prometheus.stop(self._process)
            self._process = None
            self._tell(msg.Monitor(wanted=self.monitor.wanted))

    # --- the loop -----------------------------------------------------------------------------------------------------

    def _post(self, event: msg.Event) -> None:
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
                self._spawn(self._start())
            case msg.Follow():
                self._spawn(self._adopted())
            case msg.Stop():
                if self._process:
                    self._spawn(prometheus.stop(self._process))
            case msg.After():
                asyncio.get_running_loop().call_later(effect.delay_s, self._post, effect.event)
            case _:
                assert_never(effect)

    def _tell(self, monitor: msg.Monitor) -> None:
        """A journal that cannot be written does not keep it from being run, or stopped."""
        process = monitor.process or msg.Identity(0, 0.0)
        record = MonitorChanged(monitor.wanted, monitor.phase, process.pid or None, process.started_at, monitor.reason)
        for sink in self.sinks:
            try:
                sink.publish(record)
            except SupervisorError as error:
                log.error("monitor_not_recorded", reason=error.message)

    async def _settled(self, wanted: Phase, timeout_s: float) -> None:
        """Wait until it is as wanted, or will not become so by itself. Raises DeadlineExceeded."""
        await self._drained()

        async def check() -> bool:
            return self.monitor.phase is wanted or (self._events.empty() and self.monitor.phase in SETTLED)

        if not await eventually(check, timeout_s):
            raise DeadlineExceeded(
                f"Prometheus is still {self.monitor.phase} after {timeout_s:.0f} s: see logs/{LOG_NAME}"
            )

    async def _drained(self) -> None:
        await self._events.join()

    # --- the process --------------------------------------------------------------------------------------------------

    async def _check(self) -> None:
        """Raise what is in the way of a start."""
        prometheus.locate(self.config.monitor.prometheus)
        if self._process is None:
            with naming("monitor.listen"):
                check_free(*split_listen(self.config.monitor.listen))
        await self.room()

    def _recall(self, found: psutil.Process | None) -> None:
        """One that was started with other settings is not what is wanted any more."""
        if found is None or not self.launch.is_of(found):
            self._spawn(self._replace(found))
            return
        self._process = found
        self._post(msg.Recalled(msg.Identity(found.pid, processes.started_at(found))))

    async def _replace(self, found: psutil.Process | None) -> None:
        if found:
            await prometheus.stop(found)
        self._post(msg.Recalled())

    async def _start(self) -> None:
        try:
            await self._check()
            await asyncio.to_thread(self._lay_out)
            self._process = self.launch.spawn()
        except Exception as error:
            self._give_up(error)
            return
        self._post(msg.Spawned(msg.Identity(self._process.pid, processes.started_at(self._process))))
        await self._follow(self._process)

    def _give_up(self, error: Exception) -> None:
        known = error if isinstance(error, SupervisorError) else MonitorError(f"a defect of modelsvc: {error!r}")
        self._error = known
        self._post(msg.Ended(known.message, crowded=isinstance(known, Refused) and known.code.endswith("_short")))

    async def _adopted(self) -> None:
        assert self._process is not None
        with suppress(SupervisorError):
            if await asyncio.to_thread(self._lay_out):
                prometheus.reload(self._process)
        await self._follow(self._process)

    async def _follow(self, process: psutil.Process) -> None:
        """Until its end."""
        ready = asyncio.create_task(self._await_ready(process))
        try:
            await prometheus.gone(process)
        finally:
            ready.cancel()
        self._process = None
        reason = f"{prometheus.ended(process)}: {self.launch.complaint()}; see logs/{LOG_NAME}"
        self._error = MonitorError(self._with_remedy(reason))
        self._post(msg.Ended(self._error.message))

    async def _await_ready(self, process: psutil.Process) -> None:
        async def check() -> bool:
            return await prometheus.is_ready(self.launch.url)

        if await eventually(check, prometheus.READY_TIMEOUT_S, poll_s=0.1):
            self._post(msg.BecameReady())
        else:
            await prometheus.stop(process)

    def _with_remedy(self, reason: str) -> str:
        storage = any(word in reason for word in ("storage", "TSDB", "data directory", "WAL", str(self.launch.data)))
        return f"{reason}; move {self.launch.data} away to begin with no samples" if storage else reason

    def _lay_out(self) -> bool:
        """Configuration and data folder. Raises StorageError, MonitorError."""
        try:
            return files.write(self.paths.monitor, files.render(self.config))
        except OSError as error:
            raise MonitorError(
                f"{self.paths.monitor} cannot be used: {error.strerror}; mend its rights, or move it away"
            ) from error

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("monitor_not_kept", exc_info=error)


@contextmanager
def _told() -> Iterator[None]:
    """An error is a defect, but none of the service's."""
    try:
        yield
    except Exception:
        log.exception("monitor_not_kept")
