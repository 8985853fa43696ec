"""What happened so far, counted from records."""

import time

from prometheus_client import CollectorRegistry, Gauge

from supervisor.core import records as rec
from supervisor.core.bake import BreachKind
from supervisor.core.desired import VerdictKind
from supervisor.core.monitor.lifecycle import Phase as MonitorPhase
from supervisor.core.state import Color, DeploymentKind, Outcome
from supervisor.core.steps import Step, StepState
from supervisor.telemetry.hub import Narrator
from supervisor.telemetry.instruments import DEPLOYMENT_SECONDS, STEP_SECONDS, Instruments


class Lives:
    """Worker processes and nginx: how often they began and ended; and whether the monitor runs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        make = Instruments(registry)
        self._starts = make.counter("modelsvc_worker_starts", "Worker processes that were started", color=tuple(Color))
        self._ends = make.counter(
            "modelsvc_worker_ends",
            "Worker processes that ended; one that nobody told to has crashed",
            color=tuple(Color),
            expected=("true", "false"),
        )
        self._edge_ends = make.counter("modelsvc_edge_ends", "Times that nginx ended")
        self._monitor = Gauge("modelsvc_monitor_up", "1 while the managed Prometheus runs", registry=registry)

    def publish(self, record: rec.Record) -> None:
        match record:
            case rec.WorkerBegan():
                self._starts.labels(record.color).inc()
            case rec.WorkerGone():
                self._ends.labels(record.color, str(record.expected).lower()).inc()
            case rec.EdgeChanged(pid=None):
                self._edge_ends.inc()
            case rec.MonitorChanged():
                self._monitor.set(record.state == MonitorPhase.RUNNING)
            case _:
                pass


class Looks:
    """What the watch on files made of them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._decisions = Instruments(registry).counter(
            "modelsvc_watch_decisions", "What the watch on files decided, where it told", verdict=tuple(VerdictKind)
        )

    def publish(self, record: rec.Record) -> None:
        if isinstance(record, rec.WatchDecided):
            self._decisions.labels(record.verdict).inc()


class Deployments:
    """Deployments, their steps, and operations of any kind."""

    def __init__(self, registry: CollectorRegistry) -> None:
        make, kinds, outcomes = Instruments(registry), tuple(DeploymentKind), tuple(Outcome)
        self._narrator: Narrator | None = None
        self._step: Step | None = None
        self._operations = make.counter(
            "modelsvc_operations", "Operations by outcome, deployments included", outcome=outcomes
        )
        self._begun = make.counter("modelsvc_deployments_begun", "Deployments that were accepted", kind=kinds)
        self._ended = make.counter("modelsvc_deployments", "Deployments that ended", kind=kinds, outcome=outcomes)
        self._seconds = make.histogram(
            "modelsvc_deployment_duration_seconds",
            "From the acceptance of a deployment to its end",
            DEPLOYMENT_SECONDS,
            "kind",
            "outcome",
        )
        self._step_seconds = make.histogram(
            "modelsvc_deployment_step_duration_seconds",
            "How long a step took that was done or failed",
            STEP_SECONDS,
            "step",
        )
        self._breaches = make.counter(
            "modelsvc_bake_breaches",
            "New colours that did not prove themselves after the switch",
            reason=tuple(BreachKind),
        )
        self._last_success = Gauge(
            "modelsvc_deployment_last_success_timestamp_seconds",
            "When a deployment last brought a release to the edge, in Unix time; 0: none did",
            registry=registry,
        )

    @property
    def running_seconds(self) -> float:
        """Of the deployment under way, under this supervisor; 0 without one."""
        return self._narrator.seconds if self._narrator else 0.0

    def last_succeeded(self, at: float) -> None:
        """Under an earlier supervisor, in Unix time."""
        self._last_success.set(at)

    def publish(self, record: rec.Record) -> None:
        match record:
            case rec.DeploymentBegan():
                self._narrator = Narrator(record)
                self._begun.labels(record.kind).inc(not record.resumed)
            case rec.BakeBreached():
                self._breaches.labels(record.kind).inc()
            case rec.StepChanged() if self._narrator:
                self._step_changed(record, self._narrator)
            case rec.RequestEnded():
                self._operations.labels(record.outcome).inc()
                if record.deployment is not None and self._narrator:
                    self._finished(record, self._narrator)
            case _:
                pass

    def _step_changed(self, record: rec.StepChanged, narrator: Narrator) -> None:
        """What is taken back later belongs to no step's own time."""
        report = narrator.step(record).step
        if record.state is StepState.RUNNING:
            self._step = record.step
        elif report.seconds is not None and record.step is self._step:
            self._step = None
            self._step_seconds.labels(record.step.key).observe(report.seconds)

    def _finished(self, record: rec.RequestEnded, narrator: Narrator) -> None:
        began, self._narrator = narrator.began, None
        kind = began.kind
        self._ended.labels(kind, record.outcome).inc()
        if not began.resumed:  # when that began is not known by a clock of ours
            self._seconds.labels(kind, record.outcome).observe(narrator.seconds)
        if record.outcome is Outcome.SUCCEEDED and kind is not DeploymentKind.PREWARM:
            self._last_success.set(time.time())
