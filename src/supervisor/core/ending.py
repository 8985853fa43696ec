"""How a deployment ends: recorded as it is, or taken back first, thing by thing.

What a failed deployment takes back follows from how far it came: the route if it was written, the edge if it was
reloaded, the standby if it was started. While something is taken back the old colour serves on.
"""

from dataclasses import replace

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core import slots
from supervisor.core.decision import Decision, then, written
from supervisor.core.lifecycle import Phase
from supervisor.core.records import RequestEnded, RouteChanged, StepChanged
from supervisor.core.state import BOOT_REQUEST, Boot, Deployment, Outcome, State, Undo
from supervisor.core.steps import Step, StepState

STEP_OF = {
    Undo.RESTORE_ROUTE: Step.WRITE_ROUTE,
    Undo.RELOAD_EDGE: Step.RELOAD_EDGE,
    Undo.DRAIN_STANDBY: Step.VERIFY_ROUTE,
    Undo.STOP_STANDBY: Step.START_STANDBY,
}
OF_THE_EDGE = frozenset({Undo.RESTORE_ROUTE, Undo.RELOAD_EDGE})


def to_undo(state: State, deployment: Deployment) -> tuple[Undo, ...]:
    """What the steps begun so far leave to take back, in the order it is safe in."""
    step = deployment.step
    undo: list[Undo] = []
    if step >= Step.WRITE_ROUTE:
        undo.append(Undo.RESTORE_ROUTE)
    if step >= Step.RELOAD_EDGE:
        undo += [Undo.RELOAD_EDGE, Undo.DRAIN_STANDBY]
    if step >= Step.START_STANDBY and not deployment.warm:
        undo.append(Undo.STOP_STANDBY)
    return tuple(undo)


def undone(state: State, problem: str = "") -> Decision:
    """One thing is taken back, or could not be (`problem`).

    The step that failed stays the failed one, with its reason, also when what it had begun is taken back. An edge that
    could not be brought back may still route to the standby, which is therefore left alone.
    """
    deployment = state.current
    stuck = bool(problem) and deployment.undo[0] in OF_THE_EDGE
    rest = () if stuck else deployment.undo[1:]
    state = replace(state, deployment=replace(deployment, undo=rest, stuck=deployment.stuck or stuck))
    step = STEP_OF[deployment.undo[0]]
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
        case Undo.RESTORE_ROUTE:
            return state, (fx.RestoreRoute(token, deployment.from_color),)
        case Undo.RELOAD_EDGE:
            return state, (fx.ReloadEdge(token),)
        case Undo.DRAIN_STANDBY:
            return _drain_standby(state)
        case Undo.STOP_STANDBY:
            decision = slots.stop(state, deployment.to_color)
            absent = decision[0].slots[deployment.to_color].phase is Phase.ABSENT
            return then(decision, undone) if absent else decision


def route_back(state: State) -> Decision:
    """The old colour is the active one again, if the new one had become it.

    That is on record before anything is undone: a supervisor that comes after a crash must not go forward.
    """
    deployment = state.current
    if state.active is deployment.from_color:
        return state, ()
    state = replace(state, active=deployment.from_color, previous_release=deployment.previous_release)
    return state, written(RouteChanged(state.active, state.active_release, state.previous_release))


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
    """Record how it ended."""
    deployment = state.current
    ended = RequestEnded(
        deployment.request, outcome, deployment.reason, deployment.id, deployment.release, state.active
    )
    decision = replace(state, deployment=None), written(ended)
    return then(decision, lambda s: _boot_later(s, deployment)) if outcome is Outcome.FAILED else decision


def _boot_later(state: State, failed: Deployment) -> Decision:
    """Unattended, a first deployment that failed is tried again, with growing pauses, as long as nothing serves."""
    if failed.request != BOOT_REQUEST or state.shutdown:
        return state, ()
    attempt = state.boot_failures + 1
    boot = Boot(failed.to_color, failed.change, failed.release)
    again = fx.After(state.policy.pause_s(attempt), ev.BootDue(boot, attempt))
    return replace(state, boot_failures=attempt), (again,)
