"""Streams of protocol events: what becomes of each request that somebody waits for."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

from supervisor import protocol
from supervisor.core import records as rec
from supervisor.core.steps import Step, StepState

NOTHING: Mapping[str, object] = {}


class Narrator:
    """One deployment told as protocol events, with the times between them."""

    def __init__(self, began: rec.DeploymentBegan) -> None:
        self.began = began
        self._started = time.monotonic()
        self._step_started = self._started
        self._steps = {step: _report(step, StepState.PENDING) for step in Step}

    @property
    def seconds(self) -> float:
        """Since its acceptance."""
        return time.monotonic() - self._started

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
            seconds=round(self.seconds, 3),
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
