"""The life of a worker slot, as data: a pair that is not listed here cannot happen, and raises."""

from enum import StrEnum


class Phase(StrEnum):
    """What a slot's process is doing."""

    ABSENT = "absent"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    BACKOFF = "backoff"  # crashed; a restart is scheduled
    FAILED = "failed"  # crashed too often in a row: given up until an operator asks


class Signal(StrEnum):
    """What can happen to a slot."""

    START = "start"
    BECAME_READY = "became_ready"
    STOP = "stop"
    CRASHED = "crashed"  # ended, but should be up
    ENDED = "ended"  # ended, and is not missed
    GAVE_UP = "gave_up"  # ended, is missed, and crashed too often to be started again


TRANSITIONS: dict[tuple[Phase, Signal], Phase] = {
    (Phase.ABSENT, Signal.START): Phase.STARTING,
    (Phase.BACKOFF, Signal.START): Phase.STARTING,
    (Phase.FAILED, Signal.START): Phase.STARTING,
    (Phase.STARTING, Signal.BECAME_READY): Phase.READY,
    (Phase.STARTING, Signal.STOP): Phase.STOPPING,
    (Phase.READY, Signal.STOP): Phase.STOPPING,
    (Phase.BACKOFF, Signal.STOP): Phase.ABSENT,
    (Phase.FAILED, Signal.STOP): Phase.ABSENT,
    (Phase.STARTING, Signal.CRASHED): Phase.BACKOFF,
    (Phase.READY, Signal.CRASHED): Phase.BACKOFF,
    (Phase.STARTING, Signal.GAVE_UP): Phase.FAILED,
    (Phase.READY, Signal.GAVE_UP): Phase.FAILED,
    (Phase.STARTING, Signal.ENDED): Phase.ABSENT,
    (Phase.READY, Signal.ENDED): Phase.ABSENT,
    (Phase.STOPPING, Signal.ENDED): Phase.ABSENT,
}


class ImpossibleTransition(Exception):
    """A defect of the planner: something happened to a slot that cannot happen in its phase."""


def advance(phase: Phase, signal: Signal) -> Phase:
    """The phase after `signal`. Raises ImpossibleTransition for a pair that is not in TRANSITIONS."""
    try:
        return TRANSITIONS[phase, signal]
    except KeyError:
        raise ImpossibleTransition(f"a slot that is {phase} cannot get {signal}") from None


def mermaid() -> str:
    """The table as a Mermaid state diagram, for docs/design.md."""
    lines = [f"    {phase} --> {after}: {signal}" for (phase, signal), after in TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> absent", *lines])
