"""The supervisor's parts, and how they know of each other. Making them starts nothing."""

import time

from supervisor.console import Console
from supervisor.control.app import ControlPlane
from supervisor.control.status import StatusReporter
from supervisor.core import events as ev
from supervisor.core.outlook import Outlook, outlook
from supervisor.core.records import Record
from supervisor.core.state import State
from supervisor.edge import Edge
from supervisor.executor import Executor
from supervisor.feed.feed import Feed, first_id
from supervisor.holder import Holder
from supervisor.hooks.hooks import Hooks, Surroundings
from supervisor.journal import Journal
from supervisor.loop import Loop
from supervisor.memory.appraisal import Appraiser
from supervisor.memory.holdings import Holdings
from supervisor.memory.report import MemoryReporter
from supervisor.monitor.keeper import Keeper
from supervisor.monitor.report import MonitorReporter
from supervisor.monitor.room import Room
from supervisor.monitor.routes import MonitorDesk
from supervisor.nginx.traffic import EdgeTraffic
from supervisor.releases.baseline import Baseline
from supervisor.releases.store import ReleaseStore
from supervisor.settings import Settings
from supervisor.steps.admission import Admission
from supervisor.steps.bake import Bake
from supervisor.steps.gate import Gate
from supervisor.steps.prover import Prover
from supervisor.steps.runner import StepRunner
from supervisor.steps.tally import AccessLog, Tally
from supervisor.telemetry import Hub, Journaling, Log, Metrics
from supervisor.telemetry.forecast import StandbyForecast
from supervisor.telemetry.observer import Observer
from supervisor.watchdog import Watchdog
from supervisor.watching.reader import Reader
from supervisor.watching.tracker import Tracker
from supervisor.watching.watcher import Watcher
from supervisor.workers.probe import Probe
from supervisor.workers.probe_key import own_key
from supervisor.workers.process import WorkerProcesses
from supervisor.workers.workforce import Workforce


class Parts:
    """One of each, for one supervisor; what they need of each other they are given here."""

    def __init__(self, settings: Settings, edge: Edge, journal: Journal) -> None:
        config, paths = settings.config, settings.paths
        self.settings, self.edge, self.journal = settings, edge, journal
        self.loop = Loop(State(policy=config.policy()))
        self.hub, self.metrics, self.feed = Hub(), Metrics(), Feed(first_id(journal))
        self.traffic = EdgeTraffic(paths.access_log)
        self.holder = Holder(self._outlook, config.edge.hold_timeout_s, config.edge.hold_limit)
        self.probe_key = _key(settings)
        self.probe = Probe(settings.ports, f"http://{config.edge.listen}", self.probe_key)
        processes = WorkerProcesses(
            paths.logs, paths.notify_socket, lambda worker, code: self.loop.post(ev.WorkerEnded(worker, code))
        )
        releases, program = ReleaseStore(paths.releases), settings.worker_program
        self.workforce = Workforce(config, settings.ports, paths, releases, processes, program)
        baseline = Baseline(journal, releases, settings.model_section)
        self.holdings = Holdings(self.workforce, lambda: edge.report().pid, lambda: self.monitor.pid)
        appraiser = Appraiser(config, journal, self.holdings, self.state)
        self.admission = Admission(config, paths, releases, baseline, appraiser, self._free_monitor)
        self.memory = MemoryReporter(self.admission, self.state)
        prover = Prover(self.probe, self.workforce, appraiser, self.state)
        gate, bake = Gate(self.probe, settings.gate), Bake(self.probe, config.bake_limits())
        tally = Tally(self.probe, AccessLog(edge))
        steps = StepRunner(edge, self.probe, self.admission, prover, tally, gate, bake, self.loop.post)
        self.files = self._watcher(baseline)
        tracking = (self.files.tracker,) if self.files else ()
        sinks = (Journaling(journal), baseline, *tracking, Log(), self.metrics, self.hub, self.feed, Console())
        self.watchers = (Log(), self.metrics, self.feed, Console())
        around = Surroundings(paths, settings.control_socket, settings.config_path)
        self.hooks = Hooks(config.hook, around, self.feed, self.tell, self.metrics.registry)
        self.executor = Executor(self.loop.post, sinks, self.workforce, edge, steps, self.holder)
        self.monitor = Keeper(config, paths, journal, sinks, lambda: self.room.check())
        self.room = Room(self.memory, journal, paths.root, self.state, self.monitor.give_way)
        self.watchdog = Watchdog(self.state, self.loop.post, self.probe, self.holdings, edge)
        self._set_up_metrics()

    def _outlook(self) -> Outlook:
        """Nobody is sent away before it is known who serves."""
        return outlook(self.loop.state) if self.loop.has_begun else Outlook.COMING

    def _watcher(self, baseline: Baseline) -> Watcher | None:
        """None where the watch on files is not enabled; without a file there is nothing to watch."""
        config, path = self.settings.config, self.settings.config_path
        if not config.watch.enabled or path is None:
            return None
        reader = Reader(path, config, baseline, self.workforce.releases, lambda: self.loop.state.active_release)
        post, refusal = self.loop.post, self.memory.refusal
        return Watcher(reader, Tracker(self.journal), self.state, post, refusal, self.tell, config.watch.debounce_s)

    def _set_up_metrics(self) -> None:
        metrics = self.metrics
        self.edge.observe = metrics.edge.switched
        self.traffic.follow(metrics.edge.answered)
        metrics.watch(
            Observer(
                self.state,
                self.holdings,
                self.edge,
                self.traffic,
                StandbyForecast(self.memory.forecast_bytes),
                self.holder.counts,
                metrics.deployments,
            ).look
        )
        metrics.deployments.last_succeeded(self.journal.last_success() or 0)

    def tell(self, record: Record) -> None:
        """What was not decided by the planner, to those who watch."""
        for watcher in self.watchers:
            watcher.publish(record)

    def plane(self) -> ControlPlane:
        """What the control API forwards to."""
        monitor = MonitorReporter(self.monitor)
        status = StatusReporter(
            self.settings.config,
            str(self.settings.config_path) if self.settings.config_path else None,
            self.settings.paths,
            self.state,
            self.journal,
            self.workforce.releases,
            self.probe,
            self.edge,
            self.holdings,
            time.monotonic(),
            self.holder.counts,
            monitor.noteworthy,
            lambda: self.files.status if self.files else None,
        )
        return ControlPlane(
            self.loop.post,
            self.hub,
            status,
            self.journal,
            self.settings.paths.log_files,
            self.memory,
            self.feed,
            MonitorDesk(self.monitor, monitor, self.state),
        )

    def state(self) -> State:
        """As it is now."""
        return self.loop.state

    async def _free_monitor(self) -> None:
        await self.monitor.give_way("its memory is what a deployment needed")


def _key(settings: Settings) -> str:
    """Also for workers that demand one still, while the configuration has no keys any more."""
    path = settings.paths.probe_key
    return own_key(path) if settings.config.security.api_keys_file or path.exists() else ""
