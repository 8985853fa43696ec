"""The life of a slot: the table, the whole table, and nothing but the table."""

import pytest

from supervisor.core.lifecycle import TRANSITIONS, ImpossibleTransition, Phase, Signal, advance, mermaid

P, S = Phase, Signal
LISTED = [
    (P.ABSENT, S.START, P.STARTING),
    (P.BACKOFF, S.START, P.STARTING),
    (P.FAILED, S.START, P.STARTING),
    (P.STARTING, S.BECAME_READY, P.READY),
    (P.STARTING, S.STOP, P.STOPPING),
    (P.READY, S.STOP, P.STOPPING),
    (P.BACKOFF, S.STOP, P.ABSENT),
    (P.FAILED, S.STOP, P.ABSENT),
    (P.STARTING, S.CRASHED, P.BACKOFF),
    (P.READY, S.CRASHED, P.BACKOFF),
    (P.STARTING, S.GAVE_UP, P.FAILED),
    (P.READY, S.GAVE_UP, P.FAILED),
    (P.STARTING, S.ENDED, P.ABSENT),
    (P.READY, S.ENDED, P.ABSENT),
    (P.STOPPING, S.ENDED, P.ABSENT),
]
UNLISTED = [
    (phase, signal) for phase in Phase for signal in Signal if (phase, signal) not in {(p, s) for p, s, _ in LISTED}
]


@pytest.mark.parametrize(("phase", "signal", "after"), LISTED)
def test_a_listed_pair_has_its_next_phase(phase: Phase, signal: Signal, after: Phase) -> None:
    """As the table says."""
    assert advance(phase, signal) is after


@pytest.mark.parametrize(("phase", "signal"), UNLISTED)
def test_an_unlisted_pair_raises(phase: Phase, signal: Signal) -> None:
    """It cannot happen; if it does, that is a defect, and is named."""
    with pytest.raises(ImpossibleTransition, match=f"a slot that is {phase} cannot get {signal}"):
        advance(phase, signal)


def test_the_table_has_no_more_than_is_tested() -> None:
    """A new transition needs a new row above."""
    assert [(phase, signal, after) for (phase, signal), after in TRANSITIONS.items()] == LISTED


def test_every_phase_can_be_left() -> None:
    """No slot gets stuck."""
    assert {phase for phase, _, after in LISTED if phase is not after} == set(Phase)


def test_the_diagram_is_the_table() -> None:
    """It is generated, so that documentation cannot lie."""
    lines = mermaid().splitlines()

    assert lines[:2] == ["stateDiagram-v2", "    [*] --> absent"]
    assert lines[2:] == [f"    {phase} --> {after}: {signal}" for phase, signal, after in LISTED]
