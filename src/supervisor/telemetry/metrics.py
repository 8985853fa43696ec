"""The supervisor's metrics, in Prometheus' text format. docs/metrics.md has the table of them."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import CollectorRegistry, Info, ProcessCollector, generate_latest

from modelsvc import __version__
from supervisor.core import records as rec
from supervisor.telemetry.counters import Deployments, Lives, Looks
from supervisor.telemetry.edge import EdgeCounters
from supervisor.telemetry.instruments import Instruments
from supervisor.telemetry.readings import Reading, Readings

log = structlog.get_logger()


class Metrics:
    """Counts records as they come; `watch` says how the gauges are read. Others may add to the `registry`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        info = Info("modelsvc_supervisor", "The supervisor that runs", registry=self.registry)
        info.info({"version": __version__})
        self.lives, self.deployments = Lives(self.registry), Deployments(self.registry)
        self.looks = Looks(self.registry)
        self.edge = EdgeCounters(self.registry)
        self.textfile_failures = Instruments(self.registry).counter(
            "modelsvc_textfile_write_failures", "Times that control.textfile could not be written"
        )
        self._readings = Readings()
        self.registry.register(self._readings)
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        self._look: Callable[[], Awaitable[Reading]] | None = None

    def watch(self, look: Callable[[], Awaitable[Reading]]) -> None:
        """Gauges are read by this, for each scrape."""
        self._look = look

    def publish(self, record: rec.Record) -> None:
        """Never raises: what cannot be counted has happened all the same."""
        try:
            self.lives.publish(record)
            self.deployments.publish(record)
            self.looks.publish(record)
        except Exception:
            log.exception("record_not_counted", record=repr(record))

    async def render(self) -> bytes:
        """All of them."""
        return await self.render_own() + await asyncio.to_thread(generate_latest, self._process)

    async def render_own(self) -> bytes:
        """Without those that every process has, which in a node exporter's file would be taken for its own."""
        self._readings.last = await self._read()
        return await asyncio.to_thread(generate_latest, self.registry)

    async def _read(self) -> Reading | None:
        try:
            return await self._look() if self._look else None
        except Exception:
            log.exception("gauges_not_read")
            return None
