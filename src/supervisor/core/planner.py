"""decide(): the one function through which everything that happens becomes what is to be done."""

from typing import assert_never

from supervisor.core import deployment, edge, ending, handover, renewal, requests, rewarming, room, slots, watchdog
from supervisor.core import events as ev
from supervisor.core.decision import Decision, then
from supervisor.core.effects import Exit
from supervisor.core.lifecycle import Phase
from supervisor.core.state import Slot, State


def decide(state: State, event: ev.Event) -> Decision:
    """The state after `event`, and the effects it calls for. Performs nothing; late news decide nothing."""
    decision = _decide(state, event)
    if Exit() in decision[1]:
        return decision  # the last order there is
    return then(then(then(decision, requests.fail_over), renewal.renew), handover.proceed)


def _decide(state: State, event: ev.Event) -> Decision:
    match event:
        case ev.StepSucceeded() | ev.StepFailed() | ev.StepProgressed():
            return _step(state, event)
        case ev.Started() | ev.EdgeStarted() | ev.EdgeEnded() | ev.EdgeRestartDue() | ev.EdgeStable() | ev.BootDue():
            return edge.decide(state, event)
        case ev.PrewarmDue():
            return rewarming.due(state, event)
        case ev.HeldAnswered():
            return handover.held_answered(state)
        case ev.WorkerSeen() | ev.MemorySeen() | ev.RouteSeen() | ev.ReplacementRested() | ev.TakeoverRested():
            return watchdog.decide(state, event)
        case (
            ev.WorkerAdmitted()
            | ev.WorkerRefused()
            | ev.WorkerSpawned()
            | ev.WorkerSpawnFailed()
            | ev.WorkerReady()
            | ev.WorkerProgressed()
            | ev.WorkerEnded()
            | ev.ReadyOverdue()
            | ev.RestartDue()
            | ev.WorkerStable()
        ):
            return _worker(state, event)
        case _:
            return _request(state, event)


def _request(state: State, event: requests.Request) -> Decision:
    match event:
        case ev.DeployRequested():
            return requests.deploy(state, event)
        case ev.PrewarmRequested():
            return requests.prewarm(state, event)
        case ev.CancelRequested():
            return requests.cancel(state, event)
        case ev.SwitchRequested():
            return requests.switch(state, event)
        case ev.StartRequested():
            return requests.start(state, event)
        case ev.StopRequested():
            return requests.stop(state, event)
        case ev.PauseRequested():
            return requests.pause(state, event)
        case ev.ResumeRequested():
            return requests.resume(state, event)
        case ev.ShutdownRequested():
            return requests.shutdown(state, event)
        case ev.HandoverRequested():
            return handover.ask(state, event)
        case _:
            assert_never(event)


def _step(state: State, event: ev.StepSucceeded | ev.StepFailed | ev.StepProgressed) -> Decision:
    """The answer to a step effect, unless it is not the one that is awaited."""
    current = state.deployment
    if current is None or current.token != event.token:
        return state, ()
    match event:
        case ev.StepProgressed():
            return deployment.shown(state, event.text)
        case ev.StepSucceeded():
            return ending.undone(state) if current.undoing else deployment.step_done(state, event)
        case ev.StepFailed():
            if current.undoing:
                return ending.undone(state, event.reason)
            return deployment.step_failed(state, event)


WorkerEvent = (
    ev.WorkerAdmitted
    | ev.WorkerRefused
    | ev.WorkerSpawned
    | ev.WorkerSpawnFailed
    | ev.WorkerReady
    | ev.WorkerProgressed
    | ev.WorkerEnded
    | ev.ReadyOverdue
    | ev.RestartDue
    | ev.WorkerStable
)


def _worker(state: State, event: WorkerEvent) -> Decision:
    match event:
        case ev.WorkerAdmitted():
            return requests.admitted(state, event)
        case ev.WorkerRefused():
            return requests.refused_worker(state, event)
        case ev.WorkerSpawned():
            if slots.owner(state, event.worker_id) is None:
                return state, ()
            return then(slots.spawned(state, event), lambda s: deployment.spawned(s, event.color))
        case ev.WorkerSpawnFailed():
            noted = slots.progressed(state, ev.WorkerProgressed(event.worker_id, event.reason))
            return _worker_ended(noted, event.worker_id, None)
        case ev.WorkerReady():
            return _worker_ready(state, event.worker_id)
        case ev.WorkerProgressed():
            return _worker_progressed(state, event)
        case ev.WorkerEnded():
            return _worker_ended(state, event.worker_id, event.code)
        case ev.ReadyOverdue():
            return slots.overdue(state, event.worker_id)
        case ev.RestartDue():
            return slots.restart(state, event)
        case ev.WorkerStable():
            slot = slots.owner(state, event.worker_id)
            return rewarming.stable(slots.stable(state, event.worker_id), slot), ()
        case _:
            assert_never(event)


def _worker_ready(state: State, worker_id: str) -> Decision:
    slot = slots.owner(state, worker_id)
    if slot is None or slot.phase is not Phase.STARTING:
        return state, ()
    return then(slots.became_ready(state, slot), lambda s: deployment.became_ready(s, slot.color))


def _worker_progressed(state: State, event: ev.WorkerProgressed) -> Decision:
    slot = slots.owner(state, event.worker_id)
    if slot is None:
        return state, ()
    return deployment.standby_progressed(slots.progressed(state, event), slot.color, event.text)


def _worker_ended(state: State, worker_id: str, code: int | None) -> Decision:
    slot = slots.owner(state, worker_id)
    if slot is None:
        return state, ()
    reason = "" if slot.phase is Phase.STOPPING else slots.describe_end(slot, code)
    decision = slots.ended(state, slot, code, _is_missed(state, slot))
    decision = then(decision, lambda s: deployment.standby_ended(s, slot.color, reason))
    decision = then(decision, lambda s: deployment.old_ended(s, slot.color, reason))
    decision = then(decision, lambda s: rewarming.lost(s, slot, reason))
    return then(decision, requests.proceed_with_shutdown)


def _is_missed(state: State, slot: Slot) -> bool:
    """Only the colour that is kept is restarted, never the one on trial."""
    running = state.deployment
    replaced = running is not None and not running.undoing and room.is_clearing(running, slot.color)
    return slot.wanted and slot.color is state.kept_color and not replaced and state.shutdown is None
