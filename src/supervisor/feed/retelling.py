"""Records as the events that followers are told."""

from collections.abc import Mapping
from typing import Any, TypedDict, assert_never

from supervisor.core import records as rec
from supervisor.formats import signal_name
from supervisor.protocol import happenings as hp
from supervisor.telemetry import Narrator


class Stamp(TypedDict):
    """What every event has."""

    id: int
    at: str


class Reteller:
    """Remembers the deployment under way, for its kind and for the times of its steps."""

    def __init__(self) -> None:
        self._narrator: Narrator | None = None

    def told(self, record: rec.Record, stamp: Stamp) -> hp.Happening | None:
        """The event that `record` is told as; None: it is not told."""
        match record:
            case rec.DeploymentBegan():
                return self._began(record, stamp)
            case rec.StepChanged():
                return self._step(record, stamp)
            case rec.StepShown():
                text = record.text
                return hp.StepProgressed(**stamp, deployment=record.deployment, number=record.step, text=text)
            case rec.RequestEnded():
                return self._ended(record, stamp)
            case rec.WorkerGone():
                return _crash(record, stamp)
            case rec.EdgeChanged():
                return _edge(record, stamp)
            case rec.WorkerBegan() | rec.Rejected():
                return None  # its slot changed, and a rollback ended, which is told
            case _:
                return _plain(record, stamp)

    def _began(self, record: rec.DeploymentBegan, stamp: Stamp) -> hp.Happening:
        self._narrator = Narrator(record)
        return hp.DeploymentBegan(
            **stamp,
            deployment=record.deployment,
            kind=record.kind,
            from_color=record.from_color,
            to_color=record.to_color,
            resumed=record.resumed,
            because=record.because,
        )

    def _step(self, record: rec.StepChanged, stamp: Stamp) -> hp.Happening:
        report = self._narrator.step(record).step if self._narrator else None
        return hp.StepUpdated(
            **stamp,
            deployment=record.deployment,
            number=record.step,
            name=record.step.key,
            title=record.step.title,
            state=record.state,
            seconds=report.seconds if report else None,
            detail=record.detail,
            release=record.release,
            evidence=dict(record.evidence),
        )

    def _ended(self, record: rec.RequestEnded, stamp: Stamp) -> hp.Happening:
        if record.deployment is None:
            return hp.OperationEnded(**stamp, outcome=record.outcome, reason=record.reason)
        narrator, self._narrator = self._narrator, None
        return hp.DeploymentEnded(
            **stamp,
            deployment=record.deployment,
            kind=narrator.began.kind if narrator else None,
            outcome=record.outcome,
            reason=record.reason,
            release=record.release,
            seconds=narrator.finished(record).seconds if narrator else None,
            active=record.active,
        )


Plain = (
    rec.RouteChanged
    | rec.WorkerChanged
    | rec.Paused
    | rec.Prewarmed
    | rec.BakeBreached
    | rec.Warned
    | rec.WatchDecided
    | rec.HookFailed
    | rec.MonitorChanged
)


def _plain(record: Plain, stamp: Stamp) -> hp.Happening:
    """Records that are told with what they have."""
    told: Mapping[str, Any] = {name: getattr(record, name) for name in record.__slots__}
    match record:
        case rec.RouteChanged():
            return hp.RouteChanged(**stamp, **told)
        case rec.WorkerChanged():
            return hp.WorkerChanged(**stamp, **told)
        case rec.Paused():
            return hp.Paused(**stamp) if record.paused else hp.Resumed(**stamp)
        case rec.Prewarmed():
            return hp.Prewarmed(**stamp, **told)
        case rec.BakeBreached():
            return hp.BakeBreached(**stamp, **told)
        case rec.Warned():
            return hp.Warned(**stamp, **told)
        case rec.WatchDecided():
            return hp.WatchDecided(**stamp, verdict=record.verdict, changes=list(record.changes), reason=record.reason)
        case rec.HookFailed():
            return hp.HookFailed(**stamp, **told)
        case rec.MonitorChanged():
            return hp.MonitorChanged(**stamp, state=record.state, pid=record.pid, reason=record.reason)
        case _:
            assert_never(record)


def _crash(record: rec.WorkerGone, stamp: Stamp) -> hp.Happening | None:
    if record.expected:
        return None
    code = record.code
    killed = code is not None and code < 0
    return hp.WorkerCrashed(
        **stamp,
        color=record.color,
        worker_id=record.worker_id,
        code=None if killed else code,
        signal=signal_name(-code) if code is not None and killed else None,
        reason=record.reason,
    )


def _edge(record: rec.EdgeChanged, stamp: Stamp) -> hp.Happening:
    if record.pid is None:
        return hp.EdgeEnded(**stamp, reason=record.reason)
    return hp.EdgeStarted(**stamp, pid=record.pid)
