"""Who has to go: whatever is in a new worker's way before it starts, and the old worker after it.

In place, the old worker is in the way as well. It is stopped only when requests are held and what it had is answered.
"""

from dataclasses import replace

from supervisor.core import effects as fx
from supervisor.core import slots
from supervisor.core.decision import Decision, then
from supervisor.core.lifecycle import Phase
from supervisor.core.state import Clearing, Color, Deployment, State


def make(state: State) -> Decision:
    """Order the next thing out of the new worker's way; with nothing left, spawn it. Called until it is spawned."""
    deployment = state.current
    if state.slots[deployment.to_color].phase is not Phase.ABSENT:
        return _empty(state, deployment.to_color)
    if deployment.in_place and deployment.from_color and not old_is_gone(state):
        return _clear(state, deployment.from_color)
    return _spawn(state)


def old_is_gone(state: State) -> bool:
    return state.slots[state.current.to_color.other].phase is Phase.ABSENT


def old_serves(state: State) -> bool:
    deployment = state.current
    return deployment.from_color is not None and state.slots[deployment.from_color].serves


def old_is_dispensable(state: State) -> bool:
    """The old worker still runs, and is not kept warm as the rollback target."""
    return not state.policy.keep_previous and not old_is_gone(state)


def retire_old(state: State) -> Decision:
    """Stop the old worker; the bake is over when it is gone, and from here there is no way back.

    Streams that outlasted the drain get as long again before they are cut.
    """
    state = _with_token(replace(state, deployment=replace(state.current, retiring=True)))
    return slots.stop(state, state.current.to_color.other, timeout_s=state.policy.patience_s)


def is_clearing(deployment: Deployment, color: Color) -> bool:
    """Whether `color` is the old worker that an in-place deployment is about to stop, or has stopped."""
    return deployment.clearing is not None and color is deployment.from_color


def _clear(state: State, old: Color) -> Decision:
    """One stage after the other: hold requests, drain the old worker, stop it."""
    match state.current.clearing:
        case None:
            state = _at(replace(state, routed=None), Clearing.HOLD)
            return state, (fx.SwitchRoute(state.current.token, None),)
        case Clearing.HOLD:
            state = _at(state, Clearing.DRAIN)
            return state, (fx.Drain(state.current.token, old, state.policy.drain_timeout_s),)
        case Clearing.DRAIN | Clearing.STOP:
            return _empty(_at(state, Clearing.STOP), old)


def _empty(state: State, color: Color) -> Decision:
    decision = slots.stop(state, color, timeout_s=state.policy.patience_s)
    return then(decision, make) if decision[0].slots[color].phase is Phase.ABSENT else decision


def _spawn(state: State) -> Decision:
    deployment = state.current
    if deployment.release is None:
        raise ValueError(f"deployment {deployment.id} reached step 4 without a release")
    return slots.start(_with_token(state), deployment.to_color, deployment.release)


def _at(state: State, clearing: Clearing) -> State:
    return _with_token(replace(state, deployment=replace(state.current, clearing=clearing)))


def _with_token(state: State) -> State:
    """Answers to what was ordered before are late from here on."""
    token = state.last_token + 1
    return replace(state, last_token=token, deployment=replace(state.current, token=token))
