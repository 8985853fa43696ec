"""The shape of every decision, and how decisions are chained.

    decide(state, event) -> (state, effects)

Nothing here or below performs anything: effects are returned as frozen values and done by the executor, in order.
The state is changed by one loop only, so that a decision always sees the whole truth and needs no lock.
"""

from collections.abc import Callable
from dataclasses import replace

from supervisor.core.effects import Effect, Write
from supervisor.core.records import Record, WorkerChanged
from supervisor.core.state import State

Decision = tuple[State, tuple[Effect, ...]]


def then(decision: Decision, more: Callable[[State], Decision]) -> Decision:
    """The decision followed by what `more` decides on its state, each with the changes of phase it brought."""
    state, effects = _with_moves(decision)
    after, added = _with_moves(more(state))
    return after, effects + added


def _with_moves(decision: Decision) -> Decision:
    """Whatever moved a slot need not think of telling it."""
    state, effects = decision
    if not state.moves:
        return decision
    changes = [
        WorkerChanged(now.color, now.worker_id or before.worker_id, now.release, before.phase, now.phase)
        for before, now in state.moves
    ]
    return replace(state, moves=()), effects + written(*changes)


def written(*records: Record) -> tuple[Effect, ...]:
    """The effects that write the records down."""
    return tuple(Write(record) for record in records)
