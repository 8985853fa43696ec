"""How a deployment ends: recorded as it is, or taken back first, thing by thing.

What a failed deployment takes back follows from how far it came: the edge if it was switched, the standby if it was
started. While something is taken back the old colour serves on. In place there is none: requests are held until the
old release is back.
"""

from dataclasses import replace

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core import slots
from supervisor.core.decision import Decision, then, written
from supervisor.core.lifecycle import Phase
from supervisor.core.records import Prewarmed, Record, Rejected, RequestEnded, RouteChanged, StepChanged, Warned
from supervisor.core.state import (
    BOOT_REQUEST,
    RESUMED_REQUEST,
    REWARM_REQUEST,
    WATCH_REQUEST,
    Boot,
    Color,
    Deployment,
    DeploymentKind,
    Outcome,
    State,
    Undo,
)
from supervisor.core.steps import Step, StepState

STEP_OF = {
    Undo.HOLD: Step.SWITCH_ROUTE,
    Undo.SWITCH_BACK: Step.SWITCH_ROUTE,
    Undo.DRAIN_STANDBY: Step.VERIFY_ROUTE,
    Undo.STOP_STANDBY: Step.START_STANDBY,
    Undo.START_OLD: Step.START_STANDBY,
}
NEXT_BOOT = "`modelsvc ctl deploy` tries it, and so does an edit where [watch] is enabled"
OF_THE_EDGE = frozenset({Undo.HOLD, Undo.SWITCH_BACK})


def fail(state: State, reason: str, evidence: fx.Evidence | None = None, *, transient: bool = False) -> Decision:
    """The current step cannot be done: write it down and take back what was begun.

    `transient`: the reason may go away without anybody changing anything. The way back is on record first: a failed
    step of a deployment whose colour is still on record as the active one tells a later supervisor that it stays so.
    """
    deployment = state.current
    record = StepChanged(deployment.id, deployment.step, StepState.FAILED, reason, evidence=evidence or {})
    undoing = replace(
        deployment,
        undo=to_undo(state, deployment),
        undoing=True,
        refused=deployment.step <= Step.ADMIT,
        transient=transient,
        reason=reason,
    )
    state = replace(state, deployment=undoing)
    decision = then((state, (fx.CancelStep(),)), route_back)
    decision = then(decision, lambda s: (s, written(record)))
    return then(decision, take_back)


def to_undo(state: State, deployment: Deployment) -> tuple[Undo, ...]:
    """What the steps begun so far leave to take back, in the order it is safe in."""
    step, in_place = deployment.step, deployment.clearing is not None
    undo: list[Undo] = []
    if step >= Step.SWITCH_ROUTE:
        undo += [Undo.HOLD if in_place else Undo.SWITCH_BACK, Undo.DRAIN_STANDBY]
    if step >= Step.START_STANDBY and not was_there_before(deployment.kind, deployment.warm):
        undo.append(Undo.STOP_STANDBY)
    if in_place:
        undo += [Undo.START_OLD, Undo.SWITCH_BACK]
    return tuple(undo)


def was_there_before(kind: DeploymentKind, warm: bool) -> bool:
    """A warm standby stays what it was: but one that was prewarmed and did not prove itself has no further use."""
    return warm and kind is not DeploymentKind.DEPLOY


def undone(state: State, problem: str = "") -> Decision:
    """One thing is taken back, or could not be (`problem`).

    The step that failed stays the failed one, with its reason, also when what it had begun is taken back. An edge that
    could not be brought back may still route to the standby, which is therefore left alone.
    """
    deployment = state.current
    if problem and deployment.undo[0] is Undo.HOLD:
        return then(_keep_new(state), lambda s: _undone(s, problem))
    return _undone(state, problem)


def _keep_new(state: State) -> Decision:
    """In place nobody else is left to serve, and the edge still routes there. On record, as every route."""
    color, number = state.current.to_color, state.current.id
    state = replace(state, active=color, routed=color)
    return state, written(RouteChanged(color, state.active_release, state.previous_release, number))


def _undone(state: State, problem: str) -> Decision:
    deployment = state.current
    rest = () if problem and deployment.undo[0] in OF_THE_EDGE else deployment.undo[1:]
    state = replace(state, deployment=replace(deployment, undo=rest, stuck=deployment.stuck or bool(problem)))
    step = min(STEP_OF[deployment.undo[0]], deployment.step)
    if step is deployment.step and not problem:
        return then((state, ()), take_back)
    record = StepChanged(deployment.id, step, StepState.FAILED if problem else StepState.UNDONE, problem)
    return then((state, written(record)), take_back)


def take_back(state: State) -> Decision:
    """Order what is next to be undone; with nothing left, the deployment is over."""
    deployment = state.current
    if not deployment.undo:
        return finish(state, _failure(deployment))
    token = state.last_token + 1
    state = replace(state, last_token=token, deployment=replace(deployment, token=token))
    match deployment.undo[0]:
        case Undo.HOLD:
            return replace(state, routed=None), (fx.SwitchRoute(token, None),)
        case Undo.SWITCH_BACK:
            return replace(state, routed=deployment.from_color), (fx.SwitchRoute(token, deployment.from_color),)
        case Undo.DRAIN_STANDBY:
            return _drain_standby(state)
        case Undo.STOP_STANDBY:
            decision = slots.stop(state, deployment.to_color)
            absent = decision[0].slots[deployment.to_color].phase is Phase.ABSENT
            return then(decision, undone) if absent else decision
        case Undo.START_OLD:
            return _start_old(state)


def waits_for_old(state: State, color: Color) -> bool:
    """Whether what is undone next, or just now, is the end of the old worker."""
    deployment = state.deployment
    return deployment is not None and deployment.undo[:1] == (Undo.START_OLD,) and color is deployment.to_color.other


def old_ended(state: State, reason: str) -> Decision:
    """The old worker, which is to come back, ended: it had still been stopping, or is restarted, or was given up."""
    slot = state.slots[state.current.to_color.other]
    match slot.phase:
        case Phase.ABSENT:
            return _start_old(state)
        case Phase.FAILED:
            return undone(state, reason)
        case _:
            return state, ()


def _start_old(state: State) -> Decision:
    old = state.slots[state.current.to_color.other]
    if old.serves:
        return undone(state)
    if old.phase in (Phase.ABSENT, Phase.FAILED) and old.release is not None:
        return slots.start(state.with_slot(old.color, restarts=0), old.color, old.release)
    return (state, ()) if old.release is not None else undone(state, "the old worker's release is not known")


def route_back(state: State) -> Decision:
    """The old colour is the active one again, if the new one had become it.

    That is on record before anything is undone: a supervisor that comes after a crash must not go forward.
    """
    deployment = state.current
    if state.active is deployment.from_color:
        return state, ()
    state = replace(state, active=deployment.from_color, previous_release=deployment.previous_release)
    return state, written(RouteChanged(state.active, state.active_release, state.previous_release, deployment.id))


def _drain_standby(state: State) -> Decision:
    deployment = state.current
    if not state.slots[deployment.to_color].serves:
        return undone(state)
    return state, (fx.Drain(deployment.token, deployment.to_color, state.policy.drain_timeout_s),)


def _failure(deployment: Deployment) -> Outcome:
    if deployment.refused:
        return Outcome.REFUSED
    return Outcome.ROLLED_BACK if deployment.from_color and not deployment.stuck else Outcome.FAILED


def finish(state: State, outcome: Outcome) -> Decision:
    """Record how it ended, and answer whoever waits for that."""
    deployment = state.current
    ended = RequestEnded(
        deployment.request,
        outcome,
        deployment.reason,
        deployment.id,
        deployment.release,
        state.active,
        deployment.refused and deployment.transient,
    )
    decision: Decision = replace(state, deployment=None), written(ended)
    decision = then(decision, lambda s: (_up_to_date(s, deployment, outcome), ()))
    decision = then(decision, lambda s: _answer_cancel(s, deployment))
    decision = then(decision, lambda s: _rest(s, deployment, outcome))
    decision = then(decision, lambda s: _remember_standby(s, deployment, outcome))
    decision = then(decision, lambda s: _remember_prewarming(s, deployment, outcome))
    decision = then(decision, lambda s: _stay(s, outcome))
    return decision if outcome is Outcome.SUCCEEDED else then(decision, lambda s: _boot_later(s, deployment))


def _answer_cancel(state: State, deployment: Deployment) -> Decision:
    if deployment.cancelled_by is None:
        return state, ()
    reason = f"deployment {deployment.id} was cancelled"
    return state, written(RequestEnded(deployment.cancelled_by, Outcome.SUCCEEDED, reason, active=state.active))


def _up_to_date(state: State, deployment: Deployment, outcome: Outcome) -> State:
    """A new release has the hosts and origins of now, and one that an operator goes back to has those that he wants.

    What an earlier supervisor had begun, or what took over, may have others.
    """
    others = deployment.kind in (DeploymentKind.PREWARM, DeploymentKind.FAILOVER)
    if outcome is not Outcome.SUCCEEDED or others or deployment.request == RESUMED_REQUEST:
        return state
    return replace(state, superseded="")


def _rest(state: State, deployment: Deployment, outcome: Outcome) -> Decision:
    """A standby that could not take over is asked again after a while."""
    if deployment.kind is not DeploymentKind.FAILOVER or outcome is Outcome.SUCCEEDED:
        return state, ()
    shunned = state.slots[deployment.to_color].worker_id or ""
    return replace(state, shunned=shunned), (fx.After(state.policy.takeover_rest_s, ev.TakeoverRested(shunned)),)


def _remember_standby(state: State, deployment: Deployment, outcome: Outcome) -> Decision:
    """What the standby is good for now: to be deployed, or nothing it was before."""
    if outcome is Outcome.REFUSED:
        return state, ()
    records: list[Record] = []
    rejected = _rejected(state, deployment, outcome)
    if rejected != state.rejected:
        records.append(Rejected(rejected))
    displaced = state.displaced
    if outcome is Outcome.SUCCEEDED and deployment.kind is not DeploymentKind.REPLACE:
        displaced = None  # whoever asked for something else has that
    release = displaced.release if displaced and displaced.prewarmed else None
    if deployment.kind is DeploymentKind.PREWARM and outcome is Outcome.SUCCEEDED:
        release = deployment.release
    if release != state.prewarmed:
        records.append(Prewarmed(release))
    return replace(state, rejected=rejected, prewarmed=release, displaced=displaced), written(*records)


def _rejected(state: State, deployment: Deployment, outcome: Outcome) -> int | None:
    """The release that was rolled back from, until there is another one, or it serves again after all."""
    if outcome is not Outcome.SUCCEEDED or deployment.kind is DeploymentKind.PREWARM:
        return state.rejected
    left = deployment.from_color
    if deployment.kind is DeploymentKind.ROLLBACK and left:
        return state.slots[left].release
    return None if deployment.release == state.rejected else state.rejected


def _remember_prewarming(state: State, deployment: Deployment, outcome: Outcome) -> Decision:
    """What was to be prewarmed again, and cannot be, is given up; anything else that succeeds makes a fresh start."""
    again = deployment.request == REWARM_REQUEST
    if outcome is Outcome.SUCCEEDED:
        failures = state.prewarm_failures if again else 0
        return replace(state, prewarm_failures=failures, prewarm_lost=""), ()
    if again and deployment.cancelled_by:
        return forget_prewarmed(state)
    if not again or state.shutdown:
        return state, ()
    return give_up_prewarmed(state, deployment.reason, deployment.release)


def give_up_prewarmed(state: State, reason: str, release: int | None = None) -> Decision:
    """The standby is no more what it was prewarmed for, and does not become that again by itself."""
    number, why = release or state.prewarmed, reason.partition("\n")[0]
    text = f"release {number} is not prewarmed any more: {why}; `modelsvc ctl prewarm` does it again"
    return then(forget_prewarmed(state, text), lambda s: (s, written(Warned(text))))


def forget_prewarmed(state: State, lost: str = "") -> Decision:
    """`lost` says why, where nobody asked for that."""
    told = written(Prewarmed(None)) if state.prewarmed is not None else ()
    return replace(state, prewarmed=None, prewarm_failures=0, prewarm_lost=lost), told


def _stay(state: State, outcome: Outcome) -> Decision:
    """Who stands in for what could not be booted is the active colour from now on. On record, as every route.

    A shutdown decides nothing: the next supervisor boots what this one was to boot.
    """
    if not state.stands_in or state.shutdown:
        return state, ()
    state = replace(state, stands_in=False)
    if outcome is Outcome.SUCCEEDED:
        return state, ()
    lost = state.served_release
    previous = lost if lost and lost != state.active_release else state.previous_release
    state = replace(state, previous_release=previous)
    return state, written(RouteChanged(state.active, state.active_release, previous))


def _boot_later(state: State, failed: Deployment) -> Decision:
    """Unattended, a first deployment that failed is tried again, with growing pauses, as long as nothing serves.

    So is one that the watch on files asked for, since that may have come into its pause. Where one was taken up that
    had nobody to go back to, what served before it is booted. What would end the same way again waits for an edit, or
    an operator.
    """
    unattended = failed.request in (BOOT_REQUEST, WATCH_REQUEST, RESUMED_REQUEST)
    if not unattended or state.shutdown or state.active:
        return state, ()
    if not failed.transient and failed.instead is None:
        text = f"deployment {failed.id} is not tried again by itself, for it would end the same way: {NEXT_BOOT}"
        return replace(state, boot_due=0), written(Warned(text))
    attempt = state.boot_failures + 1
    boot = failed.instead or Boot(failed.to_color, failed.change, failed.release)
    again = fx.After(state.policy.boot_pause_s(attempt), ev.BootDue(boot, attempt))
    return replace(state, boot_failures=attempt, boot_due=attempt), (again,)
