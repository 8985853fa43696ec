"""A host on which one supervisor after the other lives and is killed: processes, route and journal outlive them.

The journal is the real one, kept in memory, and so is what is read from it at a start.
"""

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from supervisor import startup
from supervisor.config import Config
from supervisor.config.sections import SecuritySection
from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.interrupted import INTERRUPTED
from supervisor.core.planner import decide
from supervisor.core.reconcile import Found, Resumption, reconcile
from supervisor.core.records import EdgeChanged, RequestEnded, WorkerBegan
from supervisor.core.salvage import Known, Reality, Traces, salvage
from supervisor.core.state import Boot, Color, Outcome, Policy, State
from supervisor.errors import WorkerError
from supervisor.journal import Journal
from supervisor.journal.past import Route
from supervisor.releases.store import ModelFile, Release
from supervisor.startup import Discovery
from supervisor.steps.admission import Admission
from supervisor.workers.probe import Probe
from supervisor.workers.worker_ports import WorkerPorts


@dataclass
class Process:
    """A worker that lives."""

    color: Color
    release: int
    pid: int
    ready: bool = False


@dataclass
class SimulatedHost:
    """What there is, and the state of the supervisor that runs now. `orders` are those it has not performed yet."""

    policy: Policy
    journal: Journal = field(default_factory=lambda: Journal(Path(":memory:")))
    state: State = field(default_factory=State)
    workers: dict[str, Process] = field(default_factory=dict)
    edge_pid: int | None = None
    route: Color | None = None
    last_pid: int = 100
    last_release: int = 0
    step: fx.StepEffect | None = None  # only one runs at a time
    orders: list[fx.Effect] = field(default_factory=list)
    timers: list[ev.Event] = field(default_factory=list)
    exited: bool = False
    edited: int = 0  # hosts were, after this release was made
    outcomes: Counter[int] = field(default_factory=Counter)  # how often each deployment was given one
    passed: dict[int, set[type]] = field(default_factory=lambda: defaultdict(set))  # the steps that it really passed

    # --- a supervisor's life ------------------------------------------------------------------------------------------

    def start(self) -> tuple[Found, Resumption]:
        """Another supervisor takes up what there is; nothing the last one had in mind is left."""
        self.orders, self.timers, self.step, self.exited = [], [], None, False
        self.mend()
        found = self.found()
        resumption = reconcile(found)
        self.state, self.route = resumption.state, resumption.state.routed
        for worker_id in resumption.stop:
            del self.workers[worker_id]
            self.journal.lose_worker(worker_id)
        for step in resumption.steps:
            self.journal.write(step)
        if found.unfinished and resumption.outcome:
            self.outcomes[found.unfinished.deployment] += 1
            self.journal.end_unfinished(found.unfinished.deployment, resumption.outcome, INTERRUPTED)
        return found, resumption

    def mend(self) -> None:
        """Who was started right before the kill is not in the journal yet."""
        journal, rows, edge = self.journal, self.journal.living_workers(), self.journal.fact("edge")
        known = Known(
            False,
            frozenset(row.worker_id for row in rows),
            frozenset(row.color for row in rows if row.worker_id in self.workers),
            journal.route().active,
            bool(edge) and edge[0] == self.edge_pid,
            journal.unfinished() is not None,
        )
        workers = [WorkerBegan(one.color, name, one.pid, 1.0, one.release) for name, one in self.workers.items()]
        nginx = EdgeChanged(self.edge_pid, 1.0) if self.edge_pid else None
        for record in salvage(known, Reality(tuple(workers), nginx, self.route), Traces()).records:
            journal.write(record)

    def found(self) -> Found:
        discovery = self._discovery()
        with patch.object(startup, "READY_PAUSE_S", 0.0):  # nobody gets ready meanwhile
            survivors = asyncio.run(discovery.survivors())
        route, edge = self.journal.route(), self.journal.fact("edge")
        boot = Boot(route.active or Color.BLUE, release=route.release)
        return discovery.found(boot, self.policy, bool(edge) and edge[0] == self.edge_pid, survivors)

    def _discovery(self) -> Discovery:
        """The real one, which asks this host's workers whether they live and are ready."""
        config, releases = Config(), SimpleNamespace(last=lambda: self.last_release, read=self._read_release)
        admission = cast(Admission, SimpleNamespace(releases=releases, config=config))
        probe = cast(Probe, SimpleNamespace(ready=self._told_ready))
        return Discovery(self.journal, admission, probe, WorkerPorts(config), lambda name, *_: name in self.workers)

    def _read_release(self, number: int) -> Release:
        """With the hosts of before, where it was made before they were edited."""
        hosts = ["an.older.name"] if number <= self.edited else SecuritySection().allowed_hosts
        return Release(number, "", "", ModelFile("", "", 0, 0, 0), {"allowed_hosts": hosts, "allowed_origins": []})

    async def _told_ready(self, color: Color) -> None:
        if not self._answers(color):
            raise WorkerError(f"the {color} worker is not ready", code="not_ready")

    def tell(self, event: ev.Event, killed_before: int | None = None) -> bool:
        """Something happens; whether the supervisor lives on. It is killed before it performs that effect."""
        self.state, effects = decide(self.state, event)
        for number, effect in enumerate(effects):
            if number == killed_before:
                return False
            self.perform(effect)
        return killed_before is None

    def perform(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Write():
                if isinstance(effect.record, RequestEnded) and effect.record.deployment is not None:
                    self.outcomes[effect.record.deployment] += 1
                self.journal.write(effect.record)
            case fx.After():
                self.timers.append(effect.event)
            case fx.Route():
                self.route = effect.color
            case fx.CancelStep():
                self.step = None
            case fx.Exit():
                self.exited = True
            case (
                fx.AdmitWorker() | fx.StartWorker() | fx.StopWorker() | fx.StartEdge() | fx.StopEdge() | fx.AwaitHeld()
            ):
                self.orders.append(effect)
            case _:
                if isinstance(effect, fx.SwitchRoute) and effect.color and not self.state.current.undoing:
                    assert self.state.slots[effect.color].serves, "a route to a worker that is not ready"
                self.step = effect

    # --- what the outside does ----------------------------------------------------------------------------------------

    def carry_out(self, order: Any, succeeds: bool = True) -> ev.Event | None:
        """An order is performed; the news of that. None: a worker that ended before has told it already."""
        match order:
            case fx.AdmitWorker():
                if not succeeds:
                    return ev.WorkerRefused(order.color, order.request, "there is no room")
                return ev.WorkerAdmitted(order.color, order.request)
            case fx.StartWorker():
                if not succeeds or order.color in {process.color for process in self.workers.values()}:
                    return ev.WorkerSpawnFailed(order.color, order.worker_id, "the port is taken")
                pid = self._pid()
                self.workers[order.worker_id] = Process(order.color, order.release, pid)
                return ev.WorkerSpawned(order.color, order.worker_id, pid, 1.0)
            case fx.StopWorker():
                return ev.WorkerEnded(order.worker_id, 0) if self.workers.pop(order.worker_id, None) else None
            case fx.StartEdge():
                if not succeeds:
                    return ev.EdgeEnded("no luck")
                self.edge_pid = self._pid()
                return ev.EdgeStarted(self.edge_pid, 1.0)
            case fx.StopEdge():
                self.edge_pid = None
                return ev.EdgeEnded("stopped")
            case _:
                return ev.HeldAnswered()

    def run_step(self, succeeds: bool = True) -> ev.Event:
        """The step that is under way is over; what cannot be true does not succeed."""
        step, self.step = self.step, None
        assert step is not None
        if not (succeeds and self._can(step)):
            return ev.StepFailed(step.token, "no luck", transient=True)  # another reason would end what is booted
        self.passed[self.state.current.id].add(type(step))
        match step:
            case fx.SwitchRoute():
                self.route = step.color
            case fx.Admit():
                release = step.number if step.release is None else step.release
                self.last_release = max(self.last_release, release)
                return ev.StepSucceeded(step.token, release=release)
        return ev.StepSucceeded(step.token)

    def dies(self, worker_id: str) -> ev.Event:
        del self.workers[worker_id]
        return ev.WorkerEnded(worker_id, -9)

    def _can(self, step: fx.StepEffect) -> bool:
        match step:
            case fx.VerifyRoute():
                return self.edge_pid is not None and self.route is step.color and self._answers(step.color)
            case fx.CheckWorker() | fx.WarmUp() | fx.Bake():
                return self._answers(step.color)
        return True

    def _answers(self, color: Color) -> bool:
        return any(process.color is color and process.ready for process in self.workers.values())

    def _pid(self) -> int:
        self.last_pid += 1
        return self.last_pid

    # --- what is on record --------------------------------------------------------------------------------------------

    def recorded_route(self) -> Route:
        return self.journal.route()

    def succeeded(self) -> list[int]:
        """The deployments that are on record as such."""
        return [one.deployment for one in self.journal.history(1000) if one.outcome is Outcome.SUCCEEDED]
