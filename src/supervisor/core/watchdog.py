"""What the watchdog's looks mean: workers that do not answer, memory that grows, an edge that routes elsewhere.

One bad look proves nothing: `looks_before_action` in a row do. Only a worker far over its limit is ended at the first,
for the machine may have no second left.
"""

from dataclasses import replace
from typing import assert_never

from supervisor.core import deployment, ending, slots
from supervisor.core import events as ev
from supervisor.core.decision import Decision, then, written
from supervisor.core.effects import After, Route
from supervisor.core.ledger import mb
from supervisor.core.records import Warned
from supervisor.core.requests import obstacle
from supervisor.core.state import REPLACE_REQUEST, DeploymentKind, EdgePhase, Slot, State

Seen = ev.WorkerSeen | ev.MemorySeen | ev.RouteSeen | ev.ReplacementRested | ev.TakeoverRested


def decide(state: State, event: Seen) -> Decision:
    """What a look at the running service calls for; mostly nothing."""
    match event:
        case ev.WorkerSeen():
            return _worker(state, event)
        case ev.MemorySeen():
            return _memory(state, event.used_bytes)
        case ev.RouteSeen():
            return _route(state, event)
        case ev.ReplacementRested():
            return replace(state, replacement_rests=False), ()
        case ev.TakeoverRested():
            return replace(state, shunned=None) if state.shunned == event.worker_id else state, ()
        case _:
            assert_never(event)


def _worker(state: State, event: ev.WorkerSeen) -> Decision:
    slot = slots.owner(state, event.worker_id)
    if slot is None or not slot.serves or state.shutdown:
        return state, ()
    held, limit = event.private_bytes or 0, state.policy.worker_limit_bytes
    unwell = slot.unwell + 1 if event.problem else 0
    swollen = slot.swollen + 1 if held > limit and not state.deployment else 0
    state = state.with_slot(slot.color, unwell=unwell, swollen=swollen)
    size = f"it holds {mb(held)}, and memory.worker_limit_gb allows {mb(limit)}"
    if held > limit * state.policy.kill_factor:
        return slots.condemn(state, slot, f"{size}, which is far over")
    if unwell >= state.policy.looks_before_action and not _is_on_trial(state, slot):
        return slots.condemn(state, slot, event.problem)
    return _relieve(state, slot, size) if swollen >= state.policy.looks_before_action else (state, ())


def _is_on_trial(state: State, slot: Slot) -> bool:
    """The deployment under way looks at its new worker itself."""
    running = state.deployment
    return running is not None and slot.color is running.to_color and not (running.undoing or running.is_baked)


def _relieve(state: State, slot: Slot, why: str) -> Decision:
    """A standby that holds too much is stopped; the active worker is replaced by its own release."""
    if slot.color is not state.active:
        return _stop_standby(state, slot, why)
    return replace_active(state, f"the {slot.color} worker is replaced: {why}", in_place=False)


def _memory(state: State, used_bytes: int) -> Decision:
    over = state.over_budget + 1 if used_bytes > state.policy.budget_bytes and not state.deployment else 0
    state = replace(state, over_budget=over)
    if over < state.policy.looks_before_action or state.shutdown:
        return state, ()
    why = f"the service holds {mb(used_bytes)}, and memory.budget_gb allows {mb(state.policy.budget_bytes)}"
    standby = state.standby
    if standby and standby.serves:
        return _stop_standby(state, standby, why)
    return replace_active(state, f"the active worker is replaced in place: {why}", in_place=True)


def _stop_standby(state: State, slot: Slot, why: str) -> Decision:
    """It may still have streams from when it was active, and time to finish them."""
    text = f"the {slot.color} worker is stopped: {why}"
    warned: Decision = state, written(Warned(text))
    if slot.release == state.prewarmed:
        warned = then(warned, lambda s: ending.forget_prewarmed(s, text))
    return then(warned, lambda s: slots.stop(s, slot.color, timeout_s=s.policy.patience_s))


def replace_active(state: State, why: str, *, in_place: bool, because: str = "") -> Decision:
    """Once in a while: a new worker that soon holds as much again is not helped by another one."""
    active, running = state.active_slot, state.edge is EdgePhase.RUNNING
    if active is None or not active.serves or state.replacement_rests or not running or obstacle(state):
        return state, ()
    rested = After(state.policy.replacement_rest_s, ev.ReplacementRested())
    decision: Decision = replace(state, replacement_rests=True), (*written(Warned(why)), rested)
    release, renews = (None, active.release) if state.superseded else (active.release, None)
    return then(
        decision,
        lambda s: deployment.begin(
            s,
            REPLACE_REQUEST,
            DeploymentKind.REPLACE,
            active.color.other,
            release=release,
            in_place=in_place,
            renews=renews,
            because=because,
        ),
    )


def _route(state: State, event: ev.RouteSeen) -> Decision:
    """Somebody changed the route, or a write of ours was lost: put it right."""
    busy = state.deployment or state.shutdown or state.boot or state.resumed or state.edge is not EdgePhase.RUNNING
    if busy or event.color is state.routed:
        return state, ()
    told = state.routed or "nobody"
    text = f"the edge routed to {event.color or 'nobody'} instead of to {told}: put right"
    return state, (*written(Warned(text)), Route(state.routed))
