"""The supervisor put together: adapters made, the past taken up, the loop run, everything closed."""

import asyncio
import math
import signal
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import structlog

from supervisor import config as configuration
from supervisor.admission import Admission
from supervisor.appraisal import Appraiser
from supervisor.bake import Bake
from supervisor.baseline import Baseline
from supervisor.config import Config, ModelSection, split_listen
from supervisor.console import Console, say
from supervisor.control import ControlPlane, build_app
from supervisor.control_server import ControlServer
from supervisor.core import events as ev
from supervisor.core.gate import Check
from supervisor.core.outlook import outlook
from supervisor.core.reconcile import INTERRUPTED, Resumption, reconcile
from supervisor.core.records import Record
from supervisor.core.state import Color, EdgePhase, State
from supervisor.edge import ACCESS_LOG, Edge, EdgeOptions
from supervisor.executor import Executor
from supervisor.feed import Feed, first_id
from supervisor.front import FrontServer, build_front
from supervisor.gate import Gate
from supervisor.holder import Holder
from supervisor.holdings import Holdings
from supervisor.hooks import Hooks, Surroundings
from supervisor.journal import Journal
from supervisor.logs import rotate_in_place
from supervisor.loop import Loop
from supervisor.memory_report import MemoryReporter
from supervisor.monitor.keeper import LOG_NAME as PROMETHEUS_LOG
from supervisor.monitor.keeper import Keeper
from supervisor.monitor.report import MonitorReporter
from supervisor.monitor.room import Room
from supervisor.monitor.routes import MonitorDesk
from supervisor.nginx.config import EdgeLimits
from supervisor.notify import listen
from supervisor.page.page import Page
from supervisor.paths import StatePaths
from supervisor.ports import naming
from supervisor.probe import Probe
from supervisor.probe_key import own_key
from supervisor.prover import Prover
from supervisor.releases import ReleaseStore
from supervisor.reserve import Reserve
from supervisor.salvage import open_journal
from supervisor.startup import Discovery
from supervisor.status import StatusReporter
from supervisor.step_runner import StepRunner
from supervisor.tally import AccessLog, Tally
from supervisor.telemetry import Hub, Journaling, Log, Metrics
from supervisor.telemetry.forecast import StandbyForecast
from supervisor.telemetry.observer import Observer
from supervisor.telemetry.textfile import Textfile
from supervisor.traffic import EdgeTraffic
from supervisor.unix_server import UnixServer
from supervisor.watch import Watch
from supervisor.worker_process import WORKER_PROGRAM, WorkerProcesses
from supervisor.workforce import Workforce

ROTATE_INTERVAL_S = 60.0
RESERVE_INTERVAL_S = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settings:
    """What one supervisor runs with."""

    config: Config
    config_path: Path | None
    paths: StatePaths
    control_socket: Path
    worker_program: tuple[str, ...] = WORKER_PROGRAM

    def model_section(self) -> ModelSection:
        """`[model]` as the file says it now, since a deployment takes up what was edited."""
        return configuration.load(self.config_path).model

    def gate(self) -> tuple[Check, ...]:
        """`[[gate]]` as the file says it now, for the same reason."""
        return configuration.load(self.config_path).gate_checks()


class Service:
    """One supervisor's parts. `run` is its whole life."""

    def __init__(self, settings: Settings, edge: Edge, journal: Journal, reserve: Reserve) -> None:
        config, paths = settings.config, settings.paths
        self.settings, self.edge, self.journal, self.reserve = settings, edge, journal, reserve
        self.loop = Loop(State(policy=config.policy()))
        self.hub, self.metrics, self.feed = Hub(), Metrics(), Feed(first_id(journal))
        self.traffic = EdgeTraffic(paths.edge / ACCESS_LOG)
        self.holder = Holder(lambda: outlook(self.loop.state), config.edge.hold_timeout_s, config.edge.hold_limit)
        key = own_key(paths.probe_key) if config.security.api_keys_file else ""
        self.probe = Probe({color: config.port(color) for color in Color}, f"http://{config.edge.listen}", key)
        processes = WorkerProcesses(
            paths.logs, paths.notify_socket, lambda worker, code: self.loop.post(ev.WorkerEnded(worker, code))
        )
        self.workforce = Workforce(config, paths, ReleaseStore(paths.releases), processes, settings.worker_program)
        releases = self.workforce.releases
        baseline = Baseline(journal, releases, settings.model_section)
        self.holdings = Holdings(self.workforce, lambda: edge.report().pid, lambda: self.monitor.pid)
        appraiser = Appraiser(config, journal, self.holdings, self._state)
        self.admission = Admission(config, paths, releases, baseline, appraiser, self._free_monitor)
        self.memory = MemoryReporter(self.admission, self._state)
        prover = Prover(self.probe, self.workforce, appraiser, self._state)
        gate, bake = Gate(self.probe, settings.gate), Bake(self.probe, config.bake_limits())
        tally = Tally(self.probe, AccessLog(edge))
        steps = StepRunner(edge, self.probe, self.admission, prover, tally, gate, bake, self.loop.post)
        sinks = (Journaling(journal), baseline, Log(), self.metrics, self.hub, self.feed, Console())
        self.watchers = (Log(), self.metrics, self.feed)
        around = Surroundings(paths, settings.control_socket, settings.config_path)
        self.hooks = Hooks(config.hook, around, self.feed, self.tell, self.metrics.registry)
        self.executor = Executor(self.loop.post, sinks, self.workforce, edge, steps)
        self.monitor = Keeper(config, paths, journal, sinks, lambda: self.room.check())
        self.room = Room(self.memory, journal, paths.root, self._state, self.monitor.give_way)
        self.watch = Watch(self._state, self.loop.post, self.probe, self.holdings, edge)
        self._set_up_metrics()

    def _set_up_metrics(self) -> None:
        metrics = self.metrics
        self.edge.observe = metrics.edge.switched
        self.traffic.follow(metrics.edge.answered)
        metrics.watch(
            Observer(
                self._state,
                self.holdings,
                self.edge,
                self.traffic,
                StandbyForecast(self.memory.forecast_bytes),
                self.holder.counts,
                metrics.deployments,
            ).look
        )
        metrics.deployments.last_succeeded(self.journal.last_success() or 0)

    async def run(self) -> None:
        """Serve until a shutdown was asked for. Raises SupervisorError when it cannot begin."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.probe.close)
            stack.callback(self.edge.close)
            await self._take_up()
            await self._open_hold(stack)
            inbox = await listen(self.settings.paths.notify_socket, self.loop.post)
            stack.callback(inbox.close)
            plane = self._plane()
            await self._open_front(stack, plane)
            control = ControlServer(build_app(plane), self.settings.control_socket)
            stack.push_async_callback(control.stop)
            stack.push_async_callback(self.executor.close)
            await control.start()
            stack.push_async_callback(self.hooks.close)
            stack.callback(self.feed.close)  # followers leave before their servers wait for them
            self.hooks.start()
            self._announce()
            self._keep_textfile(stack)
            watching = self.watch.run(), self.traffic.run(), self.room.watch()
            for chore in (self._rotate_logs(), self._keep_reserve(), *watching):
                stack.callback(asyncio.create_task(chore).cancel)
            self.monitor.open()
            stack.push_async_callback(self.monitor.close)
            await self._until_exit()
            await self.monitor.stop()

    def tell(self, record: Record) -> None:
        """What was not decided by the planner, to those who watch."""
        for watcher in self.watchers:
            watcher.publish(record)

    async def _open_hold(self, stack: AsyncExitStack) -> None:
        """Places enough, so that those beyond the limit hear of it."""
        places = self.settings.config.edge.hold_limit * 2
        remedy = "set MODELSVC_HOME to a folder of its own"
        server = UnixServer(self.holder, self.settings.paths.hold_socket, "hold", remedy, places)
        stack.push_async_callback(server.stop)
        stack.callback(self.holder.close)
        await server.start()

    async def _open_front(self, stack: AsyncExitStack, plane: ControlPlane) -> None:
        config = self.settings.config
        hosts = [*config.security.allowed_hosts, split_listen(config.control.metrics_listen)[0]]
        page = Page(config, plane, self.probe, self.traffic, self._state)
        stack.push_async_callback(page.close)
        stack.callback(asyncio.create_task(page.run()).cancel)
        front = FrontServer(build_front(self.metrics.render, hosts, page.routes()), config.control.metrics_listen)
        stack.push_async_callback(front.stop)
        await front.start()

    def _keep_textfile(self, stack: AsyncExitStack) -> None:
        if path := self.settings.config.control.textfile:
            textfile = Textfile(Path(path), self.metrics.render_own, self.metrics.textfile_failures)
            stack.push_async_callback(textfile.close)
            stack.callback(asyncio.create_task(textfile.run()).cancel)

    async def _take_up(self) -> None:
        """Adopt what an earlier supervisor left, or claim the ports for a new beginning."""
        discovery = Discovery(self.journal, self.admission, self.probe)
        boot, edge_lives = discovery.boot(), self._adopt_edge()
        found = discovery.found(boot, self.settings.config.policy(), edge_lives, await discovery.survivors())
        resumption = reconcile(found)
        if resumption.state.boot:
            await discovery.check_boot(boot)
        for color in set(Color) - {survivor.color for survivor in found.survivors}:
            self.workforce.check_port(color)
        for survivor in found.survivors:
            self.workforce.processes.adopt(survivor.worker_id, survivor.pid, survivor.created_at)
        await self._resume(resumption)
        for step in resumption.steps:
            self.journal.write(step)
        if found.unfinished and resumption.outcome:
            self.journal.end_unfinished(found.unfinished.deployment, resumption.outcome, INTERRUPTED)
        for record in resumption.retold(found.unfinished):
            self.feed.publish(record)
            self.metrics.publish(record)

    async def _resume(self, resumption: Resumption) -> None:
        """Bring route and processes to what was decided."""
        state = self.loop.state = resumption.state
        self.edge.write_route(state.routed)
        if state.edge is EdgePhase.RUNNING:
            await self.edge.apply_config()
            self.executor.watch_edge()
        else:
            with naming("edge.listen"):
                self.edge.bind()
            await self.edge.test_config()
        for worker_id in resumption.stop:
            await self.workforce.processes.stop(worker_id, state.policy.stop_timeout_s)
            self.journal.lose_worker(worker_id)

    def _adopt_edge(self) -> bool:
        recorded = self.journal.fact("edge")
        return bool(recorded) and self.edge.adopt(int(recorded[0]), float(recorded[1]))

    async def _until_exit(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told_to_stop)
        self.loop.post(ev.Started())
        await self.loop.run(self.executor)

    async def _free_monitor(self) -> None:
        await self.monitor.give_way("its memory is what a deployment needed")

    def _told_to_stop(self) -> None:
        say("stopping: running answers are finished first")
        self.loop.post(ev.ShutdownRequested("signal"))

    async def _rotate_logs(self) -> None:
        """Those that workers and nginx hold open."""
        paths, colors = self.settings.paths, [f"worker-{color}.log" for color in Color]
        held = [
            *(paths.logs / name for name in (*colors, PROMETHEUS_LOG)),
            paths.edge / ACCESS_LOG,
            paths.edge / "error.log",
        ]
        while True:
            await asyncio.sleep(ROTATE_INTERVAL_S)
            for path in held:
                try:
                    await asyncio.to_thread(rotate_in_place, path)
                except OSError as error:  # a full disk, say: the next round may find room
                    log.warning("log_not_rotated", path=str(path), reason=str(error))

    async def _keep_reserve(self) -> None:
        """Once there is room again."""
        while True:
            await asyncio.sleep(RESERVE_INTERVAL_S)
            await asyncio.to_thread(self.reserve.keep)

    def _plane(self) -> ControlPlane:
        logs = self.settings.paths.logs
        monitor = MonitorReporter(self.monitor)
        status = StatusReporter(
            self.settings.config,
            str(self.settings.config_path) if self.settings.config_path else None,
            self.settings.paths,
            self._state,
            self.journal,
            self.workforce.releases,
            self.probe,
            self.edge,
            self.holdings,
            time.monotonic(),
            self.holder.counts,
            monitor.noteworthy,
        )
        sources = {str(color): logs / f"worker-{color}.log" for color in Color}
        return ControlPlane(
            self.loop.post,
            self.hub,
            status,
            self.journal,
            {
                "supervisor": logs / "supervisor.log",
                **sources,
                "edge": self.settings.paths.edge / "error.log",
                "prometheus": logs / PROMETHEUS_LOG,
            },
            self.memory,
            self.feed,
            MonitorDesk(self.monitor, monitor, self._state),
        )

    def _announce(self) -> None:
        say(f"edge http://{self.settings.config.edge.listen} · control {self.settings.control_socket}")
        say(f"state {self.settings.paths.root}")
        listen, security = self.settings.config.edge.listen, self.settings.config.security
        if not ip_address(split_listen(listen)[0]).is_loopback and not security.api_keys_file:
            say(
                f"WARNING: edge.listen is {listen}, beyond this machine, and there are no API keys: whoever reaches it"
                " may ask, and read conversations; set security.api_keys_file, or listen on 127.0.0.1"
            )

    def _state(self) -> State:
        return self.loop.state


async def serve(settings: Settings) -> None:
    """Run one supervisor. Raises SupervisorError."""
    config, paths = settings.config, settings.paths
    options = EdgeOptions(
        paths.edge,
        {color: config.port(color) for color in Color},
        config.edge.listen,
        config.edge.nginx,
        EdgeLimits(hold_timeout_s=math.ceil(config.edge.hold_timeout_s)),
        paths.hold_socket,
    )
    edge = await Edge.open(options)
    reserve = Reserve(paths.reserve)
    reserve.keep()
    journal = open_journal(paths, reserve)
    try:
        await Service(settings, edge, journal, reserve).run()
    finally:
        journal.close()
