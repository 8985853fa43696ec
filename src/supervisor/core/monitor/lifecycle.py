"""The life of the managed Prometheus, as data: a pair that is not listed here cannot happen, and raises."""

from enum import StrEnum


class Phase(StrEnum):
    """What the process is doing."""

    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    WAITING = "waiting"  # for the next start
    FAILED = "failed"  # given up


class Signal(StrEnum):
    """What can happen to it."""

    START = "start"
    ADOPT = "adopt"
    READY = "ready"
    STOP = "stop"
    ENDED = "ended"  # and is not missed
    MISSED = "missed"  # ended, or could not be started, and is wanted
    GAVE_UP = "gave_up"  # missed once too often


TRANSITIONS: dict[tuple[Phase, Signal], Phase] = {
    (Phase.OFF, Signal.START): Phase.STARTING,
    (Phase.OFF, Signal.ADOPT): Phase.STARTING,
    (Phase.WAITING, Signal.START): Phase.STARTING,
    (Phase.FAILED, Signal.START): Phase.STARTING,
    (Phase.STARTING, Signal.READY): Phase.RUNNING,
    (Phase.STARTING, Signal.STOP): Phase.STOPPING,
    (Phase.RUNNING, Signal.STOP): Phase.STOPPING,
    (Phase.WAITING, Signal.STOP): Phase.OFF,
    (Phase.FAILED, Signal.STOP): Phase.OFF,
    (Phase.STARTING, Signal.ENDED): Phase.OFF,
    (Phase.STOPPING, Signal.ENDED): Phase.OFF,
    (Phase.STARTING, Signal.MISSED): Phase.WAITING,
    (Phase.RUNNING, Signal.MISSED): Phase.WAITING,
    (Phase.STOPPING, Signal.MISSED): Phase.WAITING,
    (Phase.STARTING, Signal.GAVE_UP): Phase.FAILED,
    (Phase.RUNNING, Signal.GAVE_UP): Phase.FAILED,
}


class ImpossibleTransition(Exception):
    """A defect: something happened to the monitor that cannot happen in its phase."""


def advance(phase: Phase, signal: Signal) -> Phase:
    """The phase after `signal`. Raises ImpossibleTransition for a pair that is not in TRANSITIONS."""
    try:
        return TRANSITIONS[phase, signal]
    except KeyError:
        raise ImpossibleTransition(f"a monitor that is {phase} cannot get {signal}") from None
