"""Who watches: each record goes to the log, to the counters, and as protocol events to whoever waits for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from supervisor import protocol
from supervisor.core import records as rec
from supervisor.core.state import Color
from supervisor.core.steps import Step, StepState
from supervisor.journal import Journal

NOTHING: Mapping[str, object] = {}

log = structlog.get_logger()


class Journaling:
    """The journal first: what cannot be kept must not be done."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def publish(self, record: rec.Record) -> None:
        self._journal.write(record)


class Log:
    """Every record as one line."""

    def publish(self, record: rec.Record) -> None:
        if isinstance(record, rec.StepShown):
            return
        values = {name: getattr(record, name) for name in record.__slots__}
        log.info(
            type(record).__name__, **{name: value for name, value in values.items() if value not in (None, "", {})}
        )


class Metrics:
    """The supervisor's own counters, for Prometheus."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter("modelsvc_operations", "Operations by outcome", ["outcome"], registry=self.registry)
        self._ends = Counter(
            "modelsvc_worker_ends", "Worker processes that ended", ["color", "expected"], registry=self.registry
        )
        self._active = Gauge(
            "modelsvc_active", "1 for the colour the edge routes to", ["color"], registry=self.registry
        )
        self._edge = Gauge("modelsvc_edge_up", "1 while nginx runs", registry=self.registry)

    def publish(self, record: rec.Record) -> None:
        match record:
            case rec.RequestEnded():
                self._requests.labels(record.outcome).inc()
            case rec.WorkerGone():
                self._ends.labels(record.color, str(record.expected).lower()).inc()
            case rec.RouteChanged():
                for color in Color:
                    self._active.labels(color).set(color is record.active)
            case rec.EdgeChanged():
                self._edge.set(record.pid is not None)
            case _:
                pass

    async def render(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)


class Narrator:
    """One deployment told as protocol events, with the times between them."""

    def __init__(self, began: rec.DeploymentBegan) -> None:
        self.began = began
        self._started = time.monotonic()
        self._step_started = self._started
        self._steps = {step: _report(step, StepState.PENDING) for step in Step}

    def accepted(self) -> protocol.Accepted:
        began = self.began
        return protocol.Accepted(
            deployment=began.deployment,
            kind=began.kind,
            from_color=began.from_color,
            to_color=began.to_color,
            steps=list(self._steps.values()),
        )

    def step(self, record: rec.StepChanged) -> protocol.StepChanged:
        now = time.monotonic()
        seconds = None
        if record.state is StepState.RUNNING:
            self._step_started = now
        elif record.state in (StepState.DONE, StepState.FAILED):
            seconds = round(now - self._step_started, 3)
        report = _report(record.step, record.state, seconds, record.detail, record.evidence)
        self._steps[record.step] = report
        return protocol.StepChanged(deployment=record.deployment, step=report)

    def finished(self, record: rec.RequestEnded) -> protocol.Finished:
        return protocol.Finished(
            outcome=record.outcome,
            reason=record.reason,
            deployment=record.deployment,
            release=record.release,
            seconds=round(time.monotonic() - self._started, 3),
            active=record.active,
            steps=list(self._steps.values()),
        )


class Hub:
    """Streams of protocol events, one for each request somebody waits for."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Queue[protocol.StreamEvent]] = {}
        self._told: dict[str, float] = {}
        self._narrator: Narrator | None = None
        self._request = ""

    @contextmanager
    def subscribe(self, request: str) -> Iterator[AsyncIterator[protocol.StreamEvent]]:
        """The events of `request`, to its last; subscribe before the request is made."""
        self._waiting[request] = asyncio.Queue()
        self._told[request] = time.monotonic()
        try:
            yield self._events(self._waiting[request])
        finally:
            self._waiting.pop(request, None)
            self._told.pop(request, None)

    def publish(self, record: rec.Record) -> None:
        match record:
            case rec.DeploymentBegan():
                self._narrator, self._request = Narrator(record), record.request
                self._send(record.request, self._narrator.accepted())
            case rec.StepChanged() if self._narrator:
                self._send(self._request, self._narrator.step(record))
            case rec.StepShown():
                shown = protocol.Progress(deployment=record.deployment, number=record.step, text=record.text)
                self._send(self._request, shown)
            case rec.RequestEnded():
                self._finish(record)
            case _:
                pass  # of no deployment, or of one that nobody watches

    def _finish(self, record: rec.RequestEnded) -> None:
        if record.deployment is not None and self._narrator:
            self._send(record.request, self._narrator.finished(record))
            self._narrator = None
            return
        seconds = time.monotonic() - self._told.get(record.request, time.monotonic())
        finished = protocol.Finished(
            outcome=record.outcome,
            reason=record.reason,
            release=record.release,
            seconds=round(seconds, 3),
            active=record.active,
        )
        self._send(record.request, finished)

    def _send(self, request: str, event: protocol.StreamEvent) -> None:
        queue = self._waiting.get(request)
        if queue is not None:
            queue.put_nowait(event)

    async def _events(self, queue: asyncio.Queue[protocol.StreamEvent]) -> AsyncIterator[protocol.StreamEvent]:
        while True:
            event = await queue.get()
            yield event
            if isinstance(event, protocol.Finished):
                return


def _report(
    step: Step,
    state: StepState,
    seconds: float | None = None,
    detail: str = "",
    evidence: Mapping[str, object] = NOTHING,
) -> protocol.StepReport:
    return protocol.StepReport(
        number=step,
        name=step.key,
        title=step.title,
        state=state,
        seconds=seconds,
        detail=detail,
        evidence=dict(evidence),
    )
