"""The end of a supervisor that is replaced by the next one: nginx and the workers serve on.

Nothing new is begun but what keeps the service up, a failover say. What is under way is finished; then requests that
are held get the time they may wait; then the supervisor leaves, and stops nothing. Asked for again it leaves at once,
and the next one finds what it would find after a crash.
"""

from dataclasses import replace

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.decision import Decision, then, written
from supervisor.core.lifecycle import Phase
from supervisor.core.records import RequestEnded
from supervisor.core.state import EdgePhase, Handover, Outcome, State

REPLACED = "the supervisor is being replaced: ask again in a moment"
OVERTAKEN = "the service was shut down before the supervisor was replaced"
IN_MOTION = (EdgePhase.STARTING, EdgePhase.STOPPING)


def ask(state: State, event: ev.HandoverRequested) -> Decision:
    """Begin to leave, or leave at once when that was asked for before."""
    if state.shutdown:
        return _answer(state, event.request, Outcome.REFUSED, "the supervisor is shutting down already")
    if state.handover is None:
        return replace(state, handover=Handover(event.request)), ()
    answered = _answer(state, event.request, Outcome.SUCCEEDED, "at once")
    return then(answered, lambda s: _leave(s, "at once, as was asked for again"))


def proceed(state: State) -> Decision:
    """Once nothing is under way, see to the requests that are held; asked after every event."""
    if state.handover is None or state.handover.answering or _under_way(state):
        return state, ()
    return replace(state, handover=replace(state.handover, answering=True)), (fx.AwaitHeld(),)


def held_answered(state: State) -> Decision:
    """Leave, unless something was begun meanwhile that has to be finished first."""
    if state.handover is None or not state.handover.answering:
        return state, ()
    if _under_way(state):
        return replace(state, handover=replace(state.handover, answering=False)), ()
    return _leave(state)


def give_up(state: State) -> Decision:
    """Everything is to end instead."""
    if state.handover is None:
        return state, ()
    request = state.handover.request
    return _answer(replace(state, handover=None), request, Outcome.FAILED, OVERTAKEN)


def _leave(state: State, how: str = "") -> Decision:
    request = state.handover.request if state.handover else ""
    return then(_answer(state, request, Outcome.SUCCEEDED, how), lambda s: (s, (fx.Exit(),)))


def _under_way(state: State) -> bool:
    """A deployment, an nginx or a worker about to be there or gone, or somebody who waits for a worker."""
    slots = state.slots.values()
    waited_for = any(slot.request or slot.phase is Phase.STOPPING for slot in slots)
    return state.deployment is not None or state.edge in IN_MOTION or waited_for


def _answer(state: State, request: str, outcome: Outcome, reason: str) -> Decision:
    return state, written(RequestEnded(request, outcome, reason, active=state.active))
