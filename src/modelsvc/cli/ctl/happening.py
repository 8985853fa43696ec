"""Events as lines for people. Pure: values in, text out."""

from typing import assert_never

from modelsvc.cli.ctl.describe import STEPS, route, step_line, watch_line
from modelsvc.cli.text import duration, headline
from supervisor.protocol import Color, StepReport
from supervisor.protocol import happenings as hp


def happening_line(happening: hp.Happening) -> str:
    """One line, such as: 2026-01-02T03:04:05.678Z  worker blue: starting -> ready (release 7)."""
    return f"{happening.at}  {_text(happening)}"


OfDeployment = hp.DeploymentBegan | hp.StepUpdated | hp.StepProgressed | hp.DeploymentEnded | hp.BakeBreached
OfWorkers = hp.WorkerChanged | hp.WorkerCrashed


def _text(happening: hp.Happening) -> str:
    match happening:
        case hp.DeploymentBegan() | hp.StepUpdated() | hp.StepProgressed() | hp.DeploymentEnded() | hp.BakeBreached():
            return _deployment(happening)
        case hp.WorkerChanged() | hp.WorkerCrashed():
            return _worker(happening)
        case hp.OperationEnded():
            return f"operation {_outcome(happening.outcome, happening.reason)}"
        case hp.RouteChanged():
            return f"route: {_active(happening.active)}{_release(happening.release)}"
        case _:
            return _other(happening)


def _deployment(happening: OfDeployment) -> str:
    match happening:
        case hp.DeploymentBegan():
            again = ", taken up again" if happening.resumed else ""
            where = route(happening.from_color, happening.to_color)
            asked = f", asked by watch: {happening.because}" if happening.because else ""
            return f"deployment {happening.deployment}: {happening.kind} {where}{again}{asked}"
        case hp.StepUpdated():
            return _step(happening)
        case hp.StepProgressed():
            return f"{happening.number:>2}/{STEPS}  {'':<7}  {happening.text}"
        case hp.BakeBreached():
            return f"deployment {happening.deployment}: {happening.color} is not as good ({happening.kind}):" + (
                f" {headline(happening.reason)}"
            )
        case hp.DeploymentEnded():
            took = "" if happening.seconds is None else f", {duration(happening.seconds)}"
            ended = _outcome(happening.outcome, happening.reason)
            serving = _active(happening.active)
            return f"deployment {happening.deployment} {ended}{_release(happening.release)}; {serving}{took}"
        case _:
            assert_never(happening)


def _step(happening: hp.StepUpdated) -> str:
    return step_line(
        StepReport(
            number=happening.number,
            name=happening.name,
            title=happening.title,
            state=happening.state,
            seconds=happening.seconds,
            detail=happening.detail,
        )
    )


def _worker(happening: OfWorkers) -> str:
    match happening:
        case hp.WorkerChanged():
            return f"worker {happening.color}: {happening.previous} -> {happening.state}{_release(happening.release)}"
        case hp.WorkerCrashed():
            return f"worker {happening.color} crashed: {headline(happening.reason)}"
        case _:
            assert_never(happening)


Other = (
    hp.EdgeStarted
    | hp.EdgeEnded
    | hp.Paused
    | hp.Resumed
    | hp.Prewarmed
    | hp.Warned
    | hp.WatchDecided
    | hp.HookFailed
    | hp.MonitorChanged
    | hp.EventsMissed
)


def _other(happening: Other) -> str:
    match happening:
        case hp.EdgeStarted():
            return f"edge: nginx started, pid {happening.pid}"
        case hp.EdgeEnded():
            return f"edge: {happening.reason or 'nginx ended'}"
        case hp.Paused():
            return "requests are held"
        case hp.Resumed():
            return "requests pass again"
        case hp.Prewarmed():
            return "nothing is prewarmed" if happening.release is None else f"release {happening.release} is prewarmed"
        case hp.Warned():
            return f"warning: {happening.text}"
        case hp.WatchDecided():
            return f"watch: {watch_line(happening)}"
        case hp.HookFailed():
            return f"hook {happening.hook} ({happening.command}) at {happening.hook_event}: {happening.reason}"
        case hp.MonitorChanged():
            return _monitor(happening)
        case hp.EventsMissed(count=None):
            return "events may be missing here: the supervisor was started anew"
        case hp.EventsMissed():
            return f"{happening.count} event(s) are missing here: they are not kept any more"
        case _:
            assert_never(happening)


def _monitor(happening: hp.MonitorChanged) -> str:
    pid = f", pid {happening.pid}" if happening.pid else ""
    return f"monitor: Prometheus is {happening.state}{pid}" + (f": {happening.reason}" if happening.reason else "")


def _outcome(outcome: str, reason: str) -> str:
    told = outcome.replace("_", " ")
    return f"{told}: {headline(reason)}" if reason else told


def _active(color: Color | None) -> str:
    return f"{color} is active" if color else "nobody is active"


def _release(release: int | None) -> str:
    return "" if release is None else f" (release {release})"
