"""One deployment from its first step to its last: how it begins, and what becomes of it as things happen.

What each step orders is in `stages`, who has to go for it in `room`, and what happens when a step fails in `ending`.
"""

from dataclasses import replace

from supervisor.core import effects as fx
from supervisor.core import ending, room, stages
from supervisor.core import events as ev
from supervisor.core.decision import Decision, then, written
from supervisor.core.records import BakeBreached, DeploymentBegan, RouteChanged, StepChanged, StepShown
from supervisor.core.state import Change, Color, Deployment, DeploymentKind, Outcome, State, Undo
from supervisor.core.steps import Step, StepState

ABANDONED = "the supervisor was shut down"


def begin(
    state: State,
    request: str,
    kind: DeploymentKind,
    to_color: Color,
    *,
    change: Change | None = None,
    release: int | None = None,
    warm: bool = False,
    in_place: bool = False,
    renews: int | None = None,
    because: str = "",
) -> Decision:
    """Accept a deployment and begin its first step. `warm`: the release runs already in `to_color`."""
    number = state.last_deployment + 1
    deployment = Deployment(
        number,
        kind,
        request,
        state.active,
        to_color,
        state.previous_release,
        change or Change(),
        release,
        warm,
        in_place,
        renews,
    )
    state = replace(state, last_deployment=number, deployment=deployment)
    began = written(DeploymentBegan(request, number, kind, state.active, to_color, because=because))
    return then((state, began), lambda s: stages.enter(s, Step.CHECK_ACTIVE))


def resume(state: State) -> Decision:
    """Go on with what an earlier supervisor left, after the last step that is done."""
    state = replace(state, deployment=state.resumed, resumed=None)
    resumed = state.current
    began = DeploymentBegan(
        resumed.request, resumed.id, resumed.kind, resumed.from_color, resumed.to_color, resumed=True
    )
    return then((state, written(began)), lambda s: stages.enter(s, Step(resumed.step + 1)))


def step_done(state: State, event: ev.StepSucceeded) -> Decision:
    """The current step's effect is done."""
    match state.current.step:
        case Step.ADMIT:
            return stages.over(_admitted(state, event.release), event.detail, event.evidence)
        case Step.START_STANDBY:
            return room.make(state)
        case Step.VERIFY_ROUTE:
            return then(_verified(state), lambda s: stages.over(s, event.detail, event.evidence))
        case Step.BAKE:
            return stages.bake_over(state, event.detail, event.evidence)
        case _:
            return stages.over(state, event.detail, event.evidence)


def step_failed(state: State, event: ev.StepFailed) -> Decision:
    """The current step's effect could not be done; where that is a breach of the bake, it is on record as one."""
    current, breach = state.current, event.evidence.get("breach")
    breached = (BakeBreached(current.id, current.to_color, str(breach), event.reason),) if breach else ()
    return then(
        (state, written(*breached)), lambda s: failed(s, event.reason, event.evidence, transient=event.transient)
    )


def failed(state: State, reason: str, evidence: fx.Evidence | None = None, *, transient: bool = False) -> Decision:
    """The current step cannot be done: take back what was begun.

    What steps 1 and 2 look at is no matter of what is deployed: it may be well again in a while.
    """
    deployment = state.current
    if deployment.step is Step.RECORD:
        return stages.over(state, reason)  # what could not be counted takes nothing back
    if deployment.step is Step.CHECK_ACTIVE and deployment.cancelled_by is None:
        reason = f"{reason}; {_way_out(deployment)}"
    return ending.fail(state, reason, evidence, transient=transient or deployment.step < Step.ADMIT)


def cancel(state: State, request: str) -> Decision:
    """Give up what is under way, for an operator who waits for that."""
    state = replace(state, deployment=replace(state.current, cancelled_by=request))
    return failed(state, "cancelled by `modelsvc ctl prewarm --cancel`")


def _way_out(deployment: Deployment) -> str:
    color = deployment.from_color
    return f"go back with `modelsvc ctl rollback`, or end it with `modelsvc ctl stop {color} --force` and deploy again"


def shown(state: State, text: str) -> Decision:
    """The current step has something to show."""
    deployment = state.current
    return state, written(StepShown(deployment.id, deployment.step, text))


def standby_progressed(state: State, color: Color, text: str) -> Decision:
    """The standby tells how far its loading is."""
    return shown(state, text) if _waits_at(state, Step.AWAIT_READY, color) else (state, ())


def abandon(state: State) -> Decision:
    """Drop the deployment where it stands, because everything is about to end."""
    if state.deployment is None:
        return replace(state, resumed=None), ()
    record = StepChanged(state.deployment.id, state.deployment.step, StepState.FAILED, ABANDONED)
    state = replace(state, deployment=replace(state.deployment, reason=ABANDONED))
    return then((state, (fx.CancelStep(), *written(record))), lambda s: ending.finish(s, Outcome.FAILED))


def spawned(state: State, color: Color) -> Decision:
    """A process exists in `color`: that is step 4, if a deployment waits for it."""
    if not _waits_at(state, Step.START_STANDBY, color):
        return state, ()
    pid = state.slots[color].pid
    return stages.over(state, f"pid {pid}")


def became_ready(state: State, color: Color) -> Decision:
    """The standby announced readiness: confirm it by asking. The old worker is back: so much is undone."""
    if ending.waits_for_old(state, color):
        return ending.undone(state)
    return stages.confirm_ready(state) if _waits_at(state, Step.AWAIT_READY, color) else (state, ())


def standby_ended(state: State, color: Color, reason: str) -> Decision:
    """No process is left in the deployment's new colour: wanted in step 4 and while undoing, a failure otherwise.

    Once it is baked it is the active worker like any other.
    """
    deployment = state.deployment
    if deployment is None or color is not deployment.to_color or deployment.is_baked:
        return state, ()
    if deployment.undoing:
        return _standby_gone(state, deployment)
    if deployment.step is Step.START_STANDBY and not reason:
        return room.make(state)
    untouched = deployment.step < Step.START_STANDBY and not deployment.warm
    return (state, ()) if untouched else failed(state, reason, transient=True)


def _standby_gone(state: State, deployment: Deployment) -> Decision:
    """While undoing: then it need not be drained, or that was to be."""
    match deployment.undo[:1]:
        case (Undo.DRAIN_STANDBY,):
            return then((state, (fx.CancelStep(),)), ending.undone)
        case (Undo.STOP_STANDBY,):
            return ending.undone(state)
        case _:
            return state, ()


def old_ended(state: State, color: Color, reason: str) -> Decision:
    """The old colour's worker is gone: the end of step 12, or of making room in step 4, when it was to be stopped.

    A crash in the first steps ends the deployment where the standby is warm, for that can serve at once.
    """
    deployment = state.deployment
    if deployment is None or color is deployment.to_color:
        return state, ()
    if deployment.retiring:
        return stages.over(state, f"{color} stopped")
    if ending.waits_for_old(state, color):
        return ending.old_ended(state, reason)
    if deployment.step <= Step.ADMIT and state.slots[deployment.to_color].serves and not deployment.warm and reason:
        return failed(state, f"{reason}, and the warm standby, which would have made room, takes over", transient=True)
    if not deployment.undoing and deployment.step is Step.START_STANDBY and room.is_clearing(deployment, color):
        return then((state, (fx.CancelStep(),)), room.make)
    return state, ()


def _waits_at(state: State, step: Step, color: Color) -> bool:
    deployment = state.deployment
    return (
        deployment is not None and not deployment.undoing and deployment.step is step and deployment.to_color is color
    )


def _verified(state: State) -> Decision:
    """The new colour answers at the edge: from here on it is the active one."""
    deployment = state.current
    left = state.active_release or state.served_release
    previous = left if left and left != deployment.release else state.previous_release
    state = replace(state, active=deployment.to_color, previous_release=previous)
    return state, written(RouteChanged(deployment.to_color, state.active_release, previous, deployment.id))


def _admitted(state: State, release: int | None) -> State:
    """Step 3 made a release, or found the recorded one fit."""
    deployment = state.current
    release = deployment.release if release is None else release
    last = max(state.last_release, release or 0)
    return replace(state, last_release=last, deployment=replace(deployment, release=release))
