"""The shape of every decision, and how decisions are chained.

    decide(state, event) -> (state, effects)

Nothing here or below performs anything: effects are returned as frozen values and done by the executor, in order.
The state is changed by one loop only, so that a decision always sees the whole truth and needs no lock.
"""

from collections.abc import Callable

from supervisor.core.effects import Effect, Write
from supervisor.core.records import Record
from supervisor.core.state import State

Decision = tuple[State, tuple[Effect, ...]]


def then(decision: Decision, more: Callable[[State], Decision]) -> Decision:
    """The decision followed by what `more` decides on its state."""
    state, effects = decision
    after, added = more(state)
    return after, effects + added


def written(*records: Record) -> tuple[Effect, ...]:
    """The effects that write the records down."""
    return tuple(Write(record) for record in records)
