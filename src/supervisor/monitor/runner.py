"""The process of the managed Prometheus: started, followed to its end, taken over from an earlier supervisor.

What happens is posted as events; what it means is decided elsewhere.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

from supervisor import processes
from supervisor.config import Config, split_listen
from supervisor.core.monitor import messages as msg
from supervisor.errors import MonitorError, Refused, SupervisorError
from supervisor.monitor import files, prometheus
from supervisor.monitor.prometheus import Launch
from supervisor.patience import eventually
from supervisor.ports import check_free, naming

LACKS_ROOM = ("memory_short", "machine_memory_short", "disk_short")
OF_STORAGE = ("storage", "TSDB", "data directory", "WAL")  # in what Prometheus says when its data are broken


@dataclass(slots=True)
class Runner:
    """One process at most. `room` raises Refused when there is none for it."""

    config: Config
    launch: Launch
    room: Callable[[], Awaitable[None]]
    post: Callable[[msg.Event], None]
    process: psutil.Process | None = field(default=None, init=False)
    error: SupervisorError | None = field(default=None, init=False)  # why it could not be started, or how it ended

    async def check(self) -> None:
        """Raise what is in the way of a start: MonitorError, PortTaken or Refused."""
        prometheus.locate(self.launch.program)
        if self.process is None:
            with naming("monitor.listen"):
                check_free(*split_listen(self.launch.listen))
        await self.room()

    async def start(self) -> None:
        """Spawn it and follow it; returns when it has ended, or could not be started."""
        try:
            await self.check()
            await asyncio.to_thread(self._lay_out)
            self.process = self.launch.spawn()
        except Exception as error:
            self._cannot(error)
            return
        self.post(msg.Spawned(identity(self.process)))
        await self._follow(self.process)

    async def adopt(self, process: psutil.Process) -> None:
        """Follow one that runs; it reads its configuration again when that is another one now."""
        with suppress(SupervisorError):
            if await asyncio.to_thread(self._lay_out):
                prometheus.reload(process)
        await self._follow(process)

    async def stop(self) -> None:
        """Returns when it is gone; whoever follows it reports that."""
        if self.process:
            await prometheus.stop(self.process)

    async def _follow(self, process: psutil.Process) -> None:
        ready = asyncio.create_task(self._await_ready(process))
        try:
            await prometheus.gone(process)
        finally:
            ready.cancel()
        self.process = None
        self.error = MonitorError(self._with_remedy(f"{prometheus.ended(process)}: {self.launch.complaint()}"))
        self.post(msg.Ended(self.error.message))

    async def _await_ready(self, process: psutil.Process) -> None:
        async def check() -> bool:
            return await prometheus.is_ready(self.launch.url)

        if await eventually(check, prometheus.READY_TIMEOUT_S, poll_s=0.1):
            self.post(msg.BecameReady())
        else:
            await prometheus.stop(process)

    def _cannot(self, error: Exception) -> None:
        known = error if isinstance(error, SupervisorError) else MonitorError(f"a defect of modelsvc: {error!r}")
        self.error = known
        self.post(msg.Ended(known.message, crowded=isinstance(known, Refused) and known.code in LACKS_ROOM))

    def _with_remedy(self, reason: str) -> str:
        if any(word in reason for word in (*OF_STORAGE, str(self.launch.data))):
            return f"{reason}; move {self.launch.data} away to begin with no samples"
        return f"{reason}; see `modelsvc ctl logs prometheus`"

    def _lay_out(self) -> bool:
        """Configuration and folder; whether anything is new. Raises StorageError, MonitorError."""
        try:
            return files.write(self.launch.folder, files.render(self.config))
        except OSError as error:
            raise MonitorError(
                f"{self.launch.folder} cannot be used: {error.strerror}; mend its rights, or move it away"
            ) from error


def identity(process: psutil.Process) -> msg.Identity:
    """What a later supervisor finds it by. Raises psutil.NoSuchProcess."""
    return msg.Identity(process.pid, processes.started_at(process))
