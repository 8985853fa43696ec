"""What was prewarmed, and whose worker crashed: prewarmed again, after the pauses that all workers have.

By a prewarming like any other, so that memory is asked first: want of it may be what ended the worker. What cannot be
prewarmed again is given up, and told.
"""

from dataclasses import replace

from supervisor.core import deployment, ending
from supervisor.core import events as ev
from supervisor.core.decision import Decision
from supervisor.core.effects import After
from supervisor.core.lifecycle import Phase
from supervisor.core.requests import obstacle
from supervisor.core.state import REWARM_REQUEST, DeploymentKind, Slot, State


def lost(state: State, slot: Slot, reason: str) -> Decision:
    """The worker of `slot`, as it was before, ended; `reason` is empty where somebody asked for that."""
    if not reason or not _was_warm(state, slot):
        return state, ()
    attempt = state.prewarm_failures + 1
    if slot.swollen:
        return ending.give_up_prewarmed(state, reason)
    if attempt > state.policy.crash_limit:
        return ending.give_up_prewarmed(state, f"{attempt} crashes in a row, the last: {reason}")
    due = ev.PrewarmDue(slot.release or 0, attempt)
    return replace(state, prewarm_failures=attempt), (After(state.policy.pause_s(attempt), due),)


def due(state: State, event: ev.PrewarmDue) -> Decision:
    """The pause is over. Whatever runs comes first; whoever asked for something else meanwhile has that."""
    awaited = (event.release, event.attempt) == (state.prewarmed, state.prewarm_failures)
    standby, active = state.standby, state.active_slot
    if not awaited or state.shutdown or state.handover or standby is None or active is None or standby.serves:
        return state, ()
    if obstacle(state) or not active.serves:
        return state, (After(state.policy.pause_s(event.attempt), event),)
    return deployment.begin(state, REWARM_REQUEST, DeploymentKind.PREWARM, standby.color, release=event.release)


def stable(state: State, slot: Slot | None) -> State:
    """Its earlier crashes are forgotten."""
    return replace(state, prewarm_failures=0) if slot and slot.release == state.prewarmed else state


def _was_warm(state: State, slot: Slot) -> bool:
    """Ready in the standby, and not on trial: then it is the deployment's to deal with."""
    running = state.deployment
    on_trial = running is not None and slot.color is running.to_color and slot.release == running.release
    standby = slot.color is not state.active and slot.release == state.prewarmed
    return standby and slot.phase is Phase.READY and not on_trial and state.shutdown is None
