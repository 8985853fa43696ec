"""The truth of the moment: the loop's state, joined with what processes and workers tell when asked."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from modelsvc import __version__
from supervisor.config import Config, ModelSection
from supervisor.core import account
from supervisor.core.outlook import outlook
from supervisor.core.state import Slot, State
from supervisor.edge import Edge
from supervisor.errors import SupervisorError
from supervisor.holder import HoldCounts
from supervisor.journal import Journal
from supervisor.memory.holdings import Held, Holdings
from supervisor.memory.usage import ProcessMemory
from supervisor.paths import StatePaths
from supervisor.protocol import (
    SILENT,
    DeploymentStatus,
    EdgeStatus,
    LastExit,
    MemoryStatus,
    MonitorStatus,
    ReleaseStatus,
    Status,
    WatchStatus,
    WorkerStatus,
)
from supervisor.releases.store import ReleaseStore
from supervisor.workers.probe import Probe


@dataclass(frozen=True, slots=True)
class StatusReporter:
    """Answers GET /v1/status."""

    config: Config
    config_path: str | None
    paths: StatePaths
    state: Callable[[], State]
    journal: Journal
    releases: ReleaseStore
    probe: Probe
    edge: Edge
    holdings: Holdings
    started: float  # monotonic seconds
    holds: Callable[[], HoldCounts] = HoldCounts
    monitor: Callable[[], MonitorStatus | None] = lambda: None
    watch: Callable[[], WatchStatus | None] = lambda: None

    async def report(self) -> Status:
        """Workers that do not answer within a moment are shown without what only they could tell."""
        state = self.state()
        health = await asyncio.gather(*(self._health(slot) for slot in state.slots.values()))
        held = await self.holdings.now(state)
        memory = {each.color: each.memory for each in held if each.color}
        exits, deaths = self.journal.last_exits(), self.journal.deaths()
        workers = {
            slot.color: self._worker(slot, its, memory.get(slot.color), exits.get(slot.color), deaths[slot.color])
            for slot, its in zip(state.slots.values(), health, strict=True)
        }
        return Status(
            version=__version__,
            pid=os.getpid(),
            uptime_s=round(time.monotonic() - self.started, 1),
            state_dir=str(self.paths.root),
            config=self.config_path,
            active=state.active,
            release=self.release(state.active_release),
            workers=workers,
            edge=self._edge(state),
            memory=self._memory(held),
            deployment=self._deployment(state),
            prewarmed=state.warm_release,
            prewarm_lost=state.prewarm_lost,
            monitor=self.monitor(),
            watch=self.watch(),
            outlook=outlook(state),
        )

    async def _health(self, slot: Slot) -> dict[str, Any] | None:
        return await self.probe.health(slot.color) if slot.pid else None

    def _worker(
        self,
        slot: Slot,
        health: dict[str, Any] | None,
        memory: ProcessMemory | None,
        last_exit: LastExit | None,
        deaths: list[LastExit],
    ) -> WorkerStatus:
        return WorkerStatus(
            state=slot.phase,
            wanted=slot.wanted,
            port=self.edge.options.ports[slot.color],
            pid=slot.pid,
            worker_id=slot.worker_id,
            release=slot.release,
            progress=SILENT if slot.serves and health is None else slot.progress,
            restarts=slot.restarts,
            in_flight=_in_flight(health),
            rss_bytes=memory.rss_bytes if memory else None,
            private_bytes=memory.private_bytes if memory else None,
            pss_bytes=memory.pss_bytes if memory else None,
            last_exit=last_exit,
            deaths=deaths,
        )

    def _edge(self, state: State) -> EdgeStatus:
        report, counts = self.edge.report(), self.holds()
        return EdgeStatus(
            state=state.edge,
            listen=report.listen,
            pid=report.pid,
            nginx_version=report.nginx_version,
            swap=report.swap,
            routes_to=report.routes_to,
            paused=state.paused,
            waiting=counts.waiting,
            held=counts.held,
            replayed=counts.replayed,
            given_up=counts.given_up,
        )

    def _memory(self, held: list[Held]) -> MemoryStatus:
        used, shared = account.total(each.holding for each in held)
        return MemoryStatus(budget_bytes=self.config.budget_bytes, used_bytes=used, shared_bytes=shared)

    def _deployment(self, state: State) -> DeploymentStatus | None:
        running = state.deployment or state.resumed
        return self.journal.deployment(running.id) if running else None

    def release(self, number: int | None) -> ReleaseStatus | None:
        """In short; None when there is no such record."""
        if number is None:
            return None
        try:
            release = self.releases.read(number)
        except SupervisorError:
            return None
        return ReleaseStatus(
            number=number,
            model_path=release.model.path,
            model_sha256=release.model.sha256,
            model_size_bytes=release.model.size_bytes,
            settings=release.model_settings(tuple(ModelSection.model_fields)),
            package_version=release.package_version,
        )


def _in_flight(health: dict[str, Any] | None) -> int | None:
    """Whoever answers on the worker's port may not be a worker."""
    requests = health.get("requests") if health else None
    count = requests.get("in_flight") if isinstance(requests, dict) else None
    return count if isinstance(count, int) else None
