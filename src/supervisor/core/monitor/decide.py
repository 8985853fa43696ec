"""What becomes of the managed Prometheus: decided apart from the service, which it must never disturb.

What is wanted outlives the supervisor; what runs is found again by pid and start time. Who asks for it waits, and is
told of its first failure; one that ran is started again after growing pauses, until it is given up. One whose memory
the service needs is stopped, and looked after again while there is room.
"""

from dataclasses import replace
from typing import assert_never

from supervisor.core.monitor.lifecycle import Phase, Signal, advance
from supervisor.core.monitor.messages import (
    After,
    BecameReady,
    Crowded,
    DownAsked,
    Effect,
    Ended,
    Event,
    Follow,
    Identity,
    Monitor,
    PauseOver,
    RanLong,
    Recalled,
    Spawned,
    Start,
    Stop,
    Tell,
    UpAsked,
)

PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # before a restart: the first, doubled each time up to the other
ROOM_PAUSE_S = 60.0  # before looking again whether there is memory for it
CRASH_LIMIT = 8  # in a row: then it is given up until somebody asks
FORGIVEN_AFTER_S = 60.0  # of running

Decision = tuple[Monitor, tuple[Effect, ...]]


def decide(monitor: Monitor, event: Event) -> Decision:
    """What is so after the event, and what to do."""
    match event:
        case UpAsked():
            return _up(monitor)
        case DownAsked():
            return _stop(replace(monitor, wanted=False, crowded=False), "")
        case Recalled():
            return _recall(monitor, event.process)
        case Spawned():
            return _told(replace(monitor, process=event.process), *((Stop(),) if _is_leaving(monitor) else ()))
        case BecameReady():
            return _ready(monitor)
        case Ended():
            return _ended(monitor, event)
        case Crowded():
            return _stop(replace(monitor, crowded=True), event.reason) if _is_up(monitor) else (monitor, ())
        case PauseOver():
            due = monitor.phase is Phase.WAITING and event.start == monitor.starts
            return _start(monitor) if due else (monitor, ())
        case RanLong():
            ran = monitor.phase is Phase.RUNNING and event.start == monitor.starts
            return (replace(monitor, crashes=0), ()) if ran else (monitor, ())
        case _:
            assert_never(event)


def _is_up(monitor: Monitor) -> bool:
    return monitor.phase in (Phase.STARTING, Phase.RUNNING)


def _is_leaving(monitor: Monitor) -> bool:
    return monitor.phase is Phase.STOPPING


def _told(monitor: Monitor, *effects: Effect) -> Decision:
    return monitor, (Tell(monitor), *effects)


def _up(monitor: Monitor) -> Decision:
    """One that is being stopped comes back when it has ended."""
    wanted = replace(monitor, wanted=True, crashes=0, crowded=False)
    return _told(wanted) if _is_up(monitor) or _is_leaving(monitor) else _start(replace(wanted, on_trial=True))


def _start(monitor: Monitor, signal: Signal = Signal.START, effect: Effect | None = None) -> Decision:
    phase, starts = advance(monitor.phase, signal), monitor.starts + 1
    started = replace(monitor, phase=phase, starts=starts, reason="", crowded=False)
    return _told(started, effect or Start())


def _recall(monitor: Monitor, process: Identity | None) -> Decision:
    wanted = replace(monitor, wanted=True, process=process)
    return _start(wanted, Signal.ADOPT, Follow(process)) if process else _start(wanted)


def _stop(monitor: Monitor, reason: str) -> Decision:
    """What has no process yet is stopped when it has one."""
    if monitor.phase in (Phase.OFF, Phase.STOPPING):
        return _told(monitor)
    stopped = replace(monitor, phase=advance(monitor.phase, Signal.STOP), reason=reason)
    return _told(stopped, *((Stop(),) if monitor.process else ()))


def _ready(monitor: Monitor) -> Decision:
    if monitor.phase is not Phase.STARTING:
        return monitor, ()
    ready = replace(monitor, phase=advance(monitor.phase, Signal.READY), on_trial=False)
    return _told(ready, After(FORGIVEN_AFTER_S, RanLong(ready.starts)))


def _ended(monitor: Monitor, event: Ended) -> Decision:
    gone = replace(monitor, process=None, on_trial=False)
    if monitor.on_trial and not _is_leaving(monitor):
        gone = replace(gone, wanted=False)
    if not gone.wanted:
        return _told(replace(gone, phase=advance(gone.phase, Signal.ENDED), reason=_why(monitor, event), crowded=False))
    if event.crowded or _is_leaving(monitor):
        return _pause(replace(gone, reason=_why(monitor, event)), ROOM_PAUSE_S if _lacks_room(monitor, event) else 0.0)
    gone = replace(gone, crashes=gone.crashes + 1, reason=event.reason)
    if gone.crashes >= CRASH_LIMIT:
        return _told(replace(gone, phase=advance(gone.phase, Signal.GAVE_UP)))
    return _pause(gone, min(LONGEST_PAUSE_S, PAUSE_S * 2.0 ** (gone.crashes - 1)))


def _lacks_room(monitor: Monitor, event: Ended) -> bool:
    return event.crowded or monitor.crowded


def _why(monitor: Monitor, event: Ended) -> str:
    """Of one that was told to end, why that was."""
    return monitor.reason if _is_leaving(monitor) else event.reason


def _pause(monitor: Monitor, delay_s: float) -> Decision:
    waiting = replace(monitor, phase=advance(monitor.phase, Signal.MISSED))
    return _told(waiting, After(delay_s, PauseOver(waiting.starts)))
