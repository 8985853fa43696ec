"""The control API over the real planner, with an executor that only answers, and real reports of nothing running."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from disposable.ports import reserved_ports
from tests.core.world import World, first
from tests.support.fake_prometheus import fake_prometheus

from supervisor.config import Config, ModelSection, MonitorSection
from supervisor.control.app import ControlPlane, build_app
from supervisor.control.status import StatusReporter
from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.state import Color
from supervisor.edge import Edge
from supervisor.feed.feed import Feed
from supervisor.journal import Journal
from supervisor.memory.appraisal import Appraiser
from supervisor.memory.holdings import Holdings
from supervisor.memory.report import MemoryReporter
from supervisor.monitor.keeper import Keeper
from supervisor.monitor.report import MonitorReporter
from supervisor.monitor.routes import MonitorDesk
from supervisor.nginx.config import NginxBuild
from supervisor.nginx.folder import EdgeOptions
from supervisor.paths import StatePaths
from supervisor.releases.baseline import Baseline
from supervisor.releases.store import ReleaseStore
from supervisor.startup import lay_out
from supervisor.steps.admission import Admission
from supervisor.telemetry import Hub
from supervisor.workers.probe import Probe
from supervisor.workers.process import WorkerProcesses
from supervisor.workers.worker_ports import WorkerPorts
from supervisor.workers.workforce import Workforce


@dataclass
class Desk:
    """What a control request reaches. `asked` are the events it became."""

    paths: StatePaths
    config: Config
    journal: Journal
    status: StatusReporter
    memory: MemoryReporter
    world: World
    keeper: Keeper
    hub: Hub = field(default_factory=Hub)
    feed: Feed = field(default_factory=Feed)
    asked: list[ev.Event] = field(default_factory=list)

    def post(self, event: ev.Event) -> None:
        """Decide, and let everything that was ordered succeed."""
        self.asked.append(event)
        before = len(self.world.effects)
        self.world.tell(event)
        self.world.play()
        for effect in self.world.effects[before:]:
            if isinstance(effect, fx.Write):
                self.hub.publish(effect.record)
                self.feed.publish(effect.record)

    def plane(self) -> ControlPlane:
        logs = {"supervisor": self.paths.logs / "supervisor.log", "blue": self.paths.logs / "worker-blue.log"}
        monitor = MonitorDesk(self.keeper, MonitorReporter(self.keeper), lambda: self.world.state)
        return ControlPlane(self.post, self.hub, self.status, self.journal, logs, self.memory, self.feed, monitor)


@asynccontextmanager
async def desk(folder: Path, ports: dict[Color, int], nginx: str = "127.0.0.1:1") -> AsyncIterator[Desk]:
    """Blue serves release 1 as far as the planner knows; `ports` are where workers are asked."""
    paths = StatePaths(folder / "s")
    lay_out(paths)
    with reserved_ports(1) as (port,):
        section = MonitorSection(prometheus=str(fake_prometheus(folder)), listen=f"127.0.0.1:{port}")
        async with _desk(paths, Config(monitor=section), ports, nginx) as made:
            yield made


@asynccontextmanager
async def _desk(paths: StatePaths, config: Config, ports: dict[Color, int], nginx: str) -> AsyncIterator[Desk]:
    world = first()
    journal, probe = Journal(paths.journal), Probe(ports, f"http://{nginx}")
    processes = WorkerProcesses(paths.logs, paths.notify_socket, lambda worker_id, code: None)
    releases = ReleaseStore(paths.releases)
    workforce = Workforce(config, WorkerPorts(config), paths, releases, processes)
    holdings = Holdings(workforce, lambda: None)
    edge = Edge(EdgeOptions(paths.edge, ports), NginxBuild((1, 27, 4)))
    status = StatusReporter(
        config, None, paths, lambda: world.state, journal, releases, probe, edge, holdings, time.monotonic()
    )
    appraiser = Appraiser(config, journal, holdings, lambda: world.state)
    admission = Admission(config, paths, releases, Baseline(journal, releases, ModelSection), appraiser)
    memory = MemoryReporter(admission, lambda: world.state)
    keeper = Keeper(config, paths, journal, ())
    keeper.open()
    try:
        yield Desk(paths, config, journal, status, memory, world, keeper)
    finally:
        await keeper.stop()
        await probe.close()
        journal.close()


@asynccontextmanager
async def client(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """Asks the application in this process."""
    transport = httpx.ASGITransport(build_app(desk.plane()))  # type: ignore[arg-type]  # both mean ASGI
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost/v1") as asking:
        yield asking
