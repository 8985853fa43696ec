"""Keeping each colour's worker as it is wanted: start, readiness, stop, crash and restart."""

from dataclasses import replace

from supervisor.core import events as ev
from supervisor.core.decision import Decision, then, written
from supervisor.core.effects import AdmitWorker, After, Effect, StartWorker, StopWorker
from supervisor.core.lifecycle import Phase, Signal, advance
from supervisor.core.records import RequestEnded, Warned, WorkerBegan, WorkerGone
from supervisor.core.state import Color, Outcome, Slot, State


def owner(state: State, worker_id: str) -> Slot | None:
    """The slot that worker runs in; None when it is an earlier one, whose news no longer count."""
    return next((slot for slot in state.slots.values() if slot.worker_id == worker_id), None)


def start(state: State, color: Color, release: int, request: str | None = None) -> Decision:
    """Spawn a worker in a slot that is absent, in backoff or given up."""
    number, stays = state.last_worker + 1, color is state.kept_color
    worker_id = f"{color}-{number}"
    state = replace(state, last_worker=number).with_slot(
        color,
        wanted=True,
        phase=advance(state.slots[color].phase, Signal.START),
        release=release,
        worker_id=worker_id,
        pid=None,
        progress=None,
        request=request,
        admitting=None,
        condemned="",
        unwell=0,
        swollen=0,
        outdated=state.slots[color].outdated if stays else "",
    )
    background = state.active is color.other and state.slots[color.other].serves
    return state, (StartWorker(color, worker_id, release, background, stays),)


def ask_for_room(state: State, color: Color, release: int, request: str) -> Decision:
    """Before a worker is spawned beside another one. What the slot had run stays known until it is."""
    return state.with_slot(color, request=request, admitting=release), (AdmitWorker(color, request, release),)


def stop(state: State, color: Color, request: str | None = None, timeout_s: float | None = None) -> Decision:
    """Take a slot's worker down; one that is absent or stopping already only gets the request.

    It may finish what it has for `timeout_s`; None: as long as the configuration says.
    """
    slot = state.slots[color]
    if slot.request and (slot.wanted or slot.admitting):
        cut_short = _answer(state, slot, Outcome.FAILED, f"{color} was stopped before it was ready")
        state = state.with_slot(color, request=None, admitting=None)
        return then((state, cut_short), lambda s: stop(s, color, request, timeout_s))
    state = state.with_slot(color, wanted=False, request=request or slot.request)
    if slot.phase in (Phase.ABSENT, Phase.STOPPING):
        return state, ()
    phase = advance(slot.phase, Signal.STOP)
    state = state.with_slot(color, phase=phase, restarts=0)
    if phase is Phase.ABSENT or slot.worker_id is None:
        return state, ()
    return state, (StopWorker(slot.worker_id, state.policy.stop_timeout_s if timeout_s is None else timeout_s),)


def spawned(state: State, event: ev.WorkerSpawned) -> Decision:
    """The process exists: remember it and give it its time to become ready."""
    slot = owner(state, event.worker_id)
    if slot is None or slot.release is None:
        return state, ()
    began = WorkerBegan(slot.color, event.worker_id, event.pid, event.created_at, slot.release)
    overdue = After(state.policy.ready_timeout_s, ev.ReadyOverdue(event.worker_id))
    return state.with_slot(slot.color, pid=event.pid), (*written(began), overdue)


def became_ready(state: State, slot: Slot) -> Decision:
    """The starting worker says it is ready; whoever asked for it has their answer."""
    state = state.with_slot(slot.color, phase=advance(slot.phase, Signal.BECAME_READY), request=None)
    stable = After(state.policy.stable_after_s, ev.WorkerStable(slot.worker_id or ""))
    return state, (stable, *_answer(state, slot, Outcome.SUCCEEDED, ""))


def progressed(state: State, event: ev.WorkerProgressed) -> State:
    slot = owner(state, event.worker_id)
    return state.with_slot(slot.color, progress=event.text) if slot else state


def stable(state: State, worker_id: str) -> State:
    """Its earlier crashes are forgotten."""
    slot = owner(state, worker_id)
    return state.with_slot(slot.color, restarts=0) if slot and slot.serves else state


def overdue(state: State, worker_id: str) -> Decision:
    """Out of time: a worker that is still starting is ended, and its end is then dealt with as any other."""
    slot = owner(state, worker_id)
    if slot is None or slot.phase is not Phase.STARTING:
        return state, ()
    said = f", last heard: {slot.progress}" if slot.progress else ""
    text = f"not ready within {state.policy.ready_timeout_s:g} s (deploy.ready_timeout_s){said}"
    return state.with_slot(slot.color, progress=text), (StopWorker(worker_id, 0.0),)


def condemn(state: State, slot: Slot, reason: str) -> Decision:
    """End a worker that does not do what it is there for; its end is then dealt with as any other."""
    if slot.condemned or slot.worker_id is None:
        return state, ()
    state = state.with_slot(slot.color, condemned=reason)
    return state, (*written(Warned(f"the {slot.color} worker is ended: {reason}")), StopWorker(slot.worker_id, 0.0))


def ended(state: State, slot: Slot, code: int | None, missed: bool) -> Decision:
    """The process is gone. One that is missed is restarted, after a pause that doubles with every crash in a row."""
    expected = slot.phase is Phase.STOPPING
    reason = "" if expected else describe_end(slot, code)
    gone = written(WorkerGone(slot.color, slot.worker_id or "", code, expected, reason))
    restart = missed and slot.restarts < state.policy.crash_limit
    signal = Signal.CRASHED if restart else Signal.GAVE_UP if missed else Signal.ENDED
    state = state.with_slot(
        slot.color,
        phase=advance(slot.phase, signal),
        wanted=missed,
        worker_id=None,
        pid=None,
        progress=reason or None,
        request=None,
        condemned="",
        restarts=slot.restarts + 1 if restart else slot.restarts if missed else 0,
    )
    outcome = Outcome.SUCCEEDED if expected else Outcome.FAILED
    effects: tuple[Effect, ...] = (*gone, *_answer(state, slot, outcome, reason))
    if missed and not restart:
        effects = (*effects, *written(Warned(_given_up(slot, reason))))
    return state, (*effects, *(_restart_later(state, slot.color) if restart else ()))


def restart(state: State, event: ev.RestartDue) -> Decision:
    """The pause is over: start the crashed worker's successor, unless the slot moved on or everything ends."""
    slot = state.slots[event.color]
    due = slot.phase is Phase.BACKOFF and slot.restarts == event.attempt and state.shutdown is None
    if not due or slot.release is None:
        return state, ()
    return start(state, event.color, slot.release)


def _given_up(slot: Slot, reason: str) -> str:
    return (
        f"{slot.color} is given up after {slot.restarts + 1} crashes in a row, the last: {reason};"
        f" see `modelsvc ctl logs {slot.color}`, then `modelsvc ctl start {slot.color}`, or `modelsvc ctl rollback`"
    )


def describe_end(slot: Slot, code: int | None) -> str:
    """Why an unexpected end happened, as far as the worker or its exit code tells, or why it was ended."""
    if slot.condemned:
        return f"the {slot.color} worker was ended: {slot.condemned}"
    said = f": {slot.progress}" if slot.phase is Phase.STARTING and slot.progress else ""
    return f"the {slot.color} worker {_how(code)}{said}"


def _how(code: int | None) -> str:
    if code is None:
        return "ended"
    return f"exited with code {code}" if code >= 0 else f"was killed by signal {-code}"


def _restart_later(state: State, color: Color) -> tuple[Effect, ...]:
    attempt = state.slots[color].restarts
    return (After(state.policy.pause_s(attempt), ev.RestartDue(color, attempt)),)


def _answer(state: State, slot: Slot, outcome: Outcome, reason: str) -> tuple[Effect, ...]:
    if slot.request is None:
        return ()
    return written(RequestEnded(slot.request, outcome, reason, None, slot.release, state.active))
