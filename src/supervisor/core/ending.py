"""How a deployment ends: recorded as it is, or taken back first, thing by thing.

What a failed deployment takes back follows from how far it came: the route if it was written, the edge if it was
reloaded, the standby if it was started. While something is taken back the old colour serves on.
"""

from dataclasses import replace

from supervisor.core import effects as fx
from supervisor.core import slots
from supervisor.core.decision import Decision, then, written
from supervisor.core.lifecycle import Phase
from supervisor.core.records import RequestEnded, RouteChanged, StepChanged
from supervisor.core.state import Deployment, Outcome, State, Undo
from supervisor.core.steps import Step, StepState

STEP_OF = {
    Undo.RESTORE_ROUTE: Step.WRITE_ROUTE,
    Undo.RELOAD_EDGE: Step.RELOAD_EDGE,
    Undo.DRAIN_STANDBY: Step.VERIFY_ROUTE,
    Undo.STOP_STANDBY: Step.START_STANDBY,
}


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
    """One thing is taken back, or could not be (`problem`): go on with the rest either way.

    The step that failed stays the failed one, with its reason, also when what it had begun is taken back.
    """
    deployment = state.current
    state = replace(state, deployment=replace(deployment, undo=deployment.undo[1:]))
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


def _route_back(state: State) -> State:
    """The old colour is the active one again, if the new one had become it."""
    deployment = state.current
    return replace(state, active=deployment.from_color, previous_release=deployment.previous_release)


def _drain_standby(state: State) -> Decision:
    deployment, state = state.current, _route_back(state)
    active = written(RouteChanged(state.active, state.active_release, state.previous_release))
    if not state.slots[deployment.to_color].serves:
        return then((state, active), undone)
    return state, (*active, fx.Drain(deployment.token, deployment.to_color, state.policy.drain_timeout_s))


def _failure(deployment: Deployment) -> Outcome:
    if deployment.refused:
        return Outcome.REFUSED
    return Outcome.ROLLED_BACK if deployment.from_color else Outcome.FAILED


def finish(state: State, outcome: Outcome) -> Decision:
    """Record how it ended."""
    deployment = state.current
    ended = RequestEnded(
        deployment.request, outcome, deployment.reason, deployment.id, deployment.release, state.active
    )
    return replace(state, deployment=None), written(ended)
