"""What operators may ask for, and when it is refused."""

from dataclasses import replace

from supervisor.core import deployment, ending, handover, slots
from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.decision import Decision, then, written
from supervisor.core.lifecycle import Phase
from supervisor.core.records import Paused, RequestEnded
from supervisor.core.state import FAILOVER_REQUEST, Change, Color, DeploymentKind, EdgePhase, Outcome, Slot, State
from supervisor.core.steps import Step

Request = (
    ev.DeployRequested
    | ev.PrewarmRequested
    | ev.CancelRequested
    | ev.SwitchRequested
    | ev.StartRequested
    | ev.StopRequested
    | ev.PauseRequested
    | ev.ResumeRequested
    | ev.ShutdownRequested
    | ev.HandoverRequested
)


def deploy(state: State, event: ev.DeployRequested) -> Decision:
    """A changed release for the colour that is not active; without a change, what was prewarmed there."""
    if why := obstacle(state):
        return refuse(state, event.request, why)
    kind, standby, because = DeploymentKind.DEPLOY, state.standby, event.because
    if standby and state.warm_release is not None and event.change == Change() and not event.in_place:
        release = standby.release
        return deployment.begin(state, event.request, kind, standby.color, release=release, warm=True, because=because)
    if event.fast:
        return refuse(state, event.request, f"{_not_prewarmed(state)}; run `modelsvc ctl prewarm` first")
    to_color = standby.color if standby else Color.BLUE
    in_place = event.in_place and state.active is not None
    return deployment.begin(
        state, event.request, kind, to_color, change=event.change, in_place=in_place, because=because
    )


def obstacle(state: State) -> str:
    """Why no deployment can begin now; empty when one can."""
    return _busy(state) or _held(state)


def prewarm(state: State, event: ev.PrewarmRequested) -> Decision:
    """A changed release for the standby colour, which stays standby."""
    if why := obstacle(state):
        return refuse(state, event.request, why)
    if state.standby is None:
        return refuse(state, event.request, "nothing serves yet, so there is no standby: run `modelsvc ctl deploy`")
    return deployment.begin(state, event.request, DeploymentKind.PREWARM, state.standby.color, change=event.change)


def cancel(state: State, event: ev.CancelRequested) -> Decision:
    """Give up the prewarming under way, or stop what is prewarmed."""
    running = state.deployment
    if running and running.kind is DeploymentKind.PREWARM and not running.undoing and running.step < Step.RECORD:
        return deployment.cancel(state, event.request)
    if why := _busy(state):
        return refuse(state, event.request, why)
    displaced = state.displaced is not None and state.displaced.prewarmed
    comes_back = displaced or (state.prewarmed is not None and state.prewarm_failures > 0)
    if state.standby is None or (state.warm_release is None and not comes_back):
        return refuse(state, event.request, _not_prewarmed(state))
    forgotten, color = ending.forget_prewarmed(replace(state, displaced=None)), state.standby.color
    if state.standby.phase is Phase.ABSENT:  # it crashed, and was to be prewarmed again
        return then(forgotten, lambda s: _answer(s, event.request, Outcome.SUCCEEDED, ""))
    return then(forgotten, lambda s: slots.stop(s, color, event.request))


def pause(state: State, event: ev.PauseRequested) -> Decision:
    """Hold what arrives at the edge from now on; what runs is finished."""
    if why := _busy(state):
        return refuse(state, event.request, why)
    if state.paused:
        return _answer(state, event.request, Outcome.SUCCEEDED, "requests are held already")
    state = replace(state, paused=True, routed=None)
    held: Decision = state, (*written(Paused(True)), fx.Route(None))
    return then(held, lambda s: _answer(s, event.request, Outcome.SUCCEEDED, ""))


def resume(state: State, event: ev.ResumeRequested) -> Decision:
    """Let requests pass again, those that were held first; a supervisor that is being replaced waits for just that."""
    if why := _ending(state) or _occupied(state):
        return refuse(state, event.request, why)
    if not state.paused:
        return _answer(state, event.request, Outcome.SUCCEEDED, "requests are not held")
    state = replace(state, paused=False, routed=state.active)
    passing: Decision = state, (*written(Paused(False)), fx.Route(state.active))
    return then(passing, lambda s: _answer(s, event.request, Outcome.SUCCEEDED, ""))


def fail_over(state: State) -> Decision:
    """Where the active worker is down and the standby is warm, the standby takes over; asked after every event.

    A release that was never deployed, or was rolled back from, only does when the active worker is given up.
    """
    active, standby = state.active_slot, state.standby
    if state.shutdown or _occupied(state) or _held(state) or state.edge is not EdgePhase.RUNNING:
        return state, ()
    if active is None or standby is None:
        return state, ()
    restarted = active.phase is Phase.STARTING and active.restarts > 0
    down = active.wanted and (restarted or active.phase in (Phase.BACKOFF, Phase.FAILED))
    released = standby.release not in (state.prewarmed, state.rejected) or active.phase is Phase.FAILED
    if not (down and standby.serves and released) or standby.worker_id == state.shunned:
        return state, ()
    kind = DeploymentKind.FAILOVER
    return deployment.begin(state, FAILOVER_REQUEST, kind, standby.color, release=standby.release, warm=True)


def switch(state: State, event: ev.SwitchRequested) -> Decision:
    """To the warm standby; a rollback finds its release by a full deployment when none is warm.

    A named colour is a goal: one that serves already is not left again.
    """
    if why := obstacle(state):
        return refuse(state, event.request, why)
    if state.active is None:
        return refuse(state, event.request, "no colour is active yet: run `modelsvc ctl deploy` first")
    if event.to is state.active:
        return _stay(state, event.request, state.slots[event.to])
    standby = state.slots[state.active.other]
    if standby.serves and _is_target(state, event.kind, standby.release):
        return deployment.begin(state, event.request, event.kind, standby.color, release=standby.release, warm=True)
    if event.kind is DeploymentKind.SWAP:
        why = f"{standby.color} is {standby.phase}: start it with `modelsvc ctl start {standby.color}`, then swap"
        return refuse(state, event.request, why)
    if state.previous_release is None:
        return refuse(state, event.request, "there is no earlier release to roll back to")
    return deployment.begin(
        state, event.request, event.kind, standby.color, release=state.previous_release, in_place=event.in_place
    )


def start(state: State, event: ev.StartRequested) -> Decision:
    """The slot's own release, else the active one; with nothing active it is a deployment.

    A worker that is starting by itself, after a crash, is joined. Beside another one it has to find room first.
    """
    slot = state.slots[event.color]
    if slot.serves and state.active:
        return _answer(state, event.request, Outcome.SUCCEEDED, f"{event.color} is ready already")
    if why := _busy(state) or (_held(state) if state.active is None else ""):
        return refuse(state, event.request, why)
    if slot.serves:
        kind = DeploymentKind.SWAP
        return deployment.begin(state, event.request, kind, event.color, release=slot.release, warm=True)
    if slot.phase is Phase.STOPPING:
        return refuse(state, event.request, f"{event.color} is stopping: wait until it has ended")
    if slot.condemned:
        why = f"{event.color} is being ended ({slot.condemned}): wait until it has, see `modelsvc ctl status`"
        return refuse(state, event.request, why)
    if slot.phase is Phase.STARTING:
        return state.with_slot(event.color, request=event.request), ()
    release = slot.release or state.active_release
    if release is None:
        return refuse(state, event.request, "there is no release to start: run `modelsvc ctl deploy` first")
    active = state.active_slot
    if active is None or (active.color is not event.color and active.phase is Phase.ABSENT and not state.paused):
        return deployment.begin(state, event.request, DeploymentKind.DEPLOY, event.color, release=release)
    fresh = state.with_slot(event.color, restarts=0)
    if slot.phase is Phase.BACKOFF or state.slots[event.color.other].phase in (Phase.ABSENT, Phase.FAILED):
        return slots.start(fresh, event.color, release, event.request)
    return slots.ask_for_room(fresh, event.color, release, event.request)


def admitted(state: State, event: ev.WorkerAdmitted) -> Decision:
    """There is room for the worker that was asked for, if it still is."""
    slot = state.slots[event.color]
    if slot.request != event.request or slot.admitting is None:
        return state, ()
    if why := _ending(state):
        return refused_worker(state, ev.WorkerRefused(event.color, event.request, why))
    return slots.start(state, event.color, slot.admitting, event.request)


def refused_worker(state: State, event: ev.WorkerRefused) -> Decision:
    """Everything stays as it is."""
    slot = state.slots[event.color]
    if slot.request != event.request or slot.admitting is None:
        return state, ()
    return refuse(state.with_slot(event.color, request=None, admitting=None), event.request, event.reason)


def stop(state: State, event: ev.StopRequested) -> Decision:
    """The standby; the active colour only by force, since the edge then answers 503."""
    if why := _busy(state):
        return refuse(state, event.request, why)
    if event.color is state.active and not event.force:
        why = f"{event.color} is active and serves all requests: swap first, or use --force"
        return refuse(state, event.request, why)
    if event.color is not state.active:
        state = replace(state, displaced=None)
    decision = slots.stop(state, event.color, event.request)
    if decision[0].slots[event.color].phase is not Phase.ABSENT:
        return decision
    idle = decision[0].with_slot(event.color, request=None)
    return then((idle, decision[1]), lambda s: _answer(s, event.request, Outcome.SUCCEEDED, ""))


def shutdown(state: State, event: ev.ShutdownRequested) -> Decision:
    """End the edge first, so that nothing is accepted that nobody would answer, then workers, then ourselves."""
    if state.shutdown:
        return refuse(state, event.request, "the supervisor is shutting down already")
    given_up = handover.give_up(replace(state, shutdown=event.request, boot=None))
    return then(then(given_up, deployment.abandon), _stop_edge)


def proceed_with_shutdown(state: State) -> Decision:
    """Whatever ended last: stop what is left, or leave."""
    if state.shutdown is None or state.edge is not EdgePhase.ABSENT:
        return state, ()
    decision: Decision = (state, ())
    for color in Color:
        decision = then(decision, lambda s, color=color: slots.stop(s, color))  # type: ignore[misc]
    if any(slot.phase is not Phase.ABSENT for slot in decision[0].slots.values()):
        return decision
    ended = RequestEnded(state.shutdown, Outcome.SUCCEEDED, active=state.active)
    return then(decision, lambda s: (s, (*written(ended), fx.Exit())))


def refuse(state: State, request: str, reason: str) -> Decision:
    """Nothing changes but that the request is answered."""
    return _answer(state, request, Outcome.REFUSED, reason)


def _stop_edge(state: State) -> Decision:
    if state.edge is EdgePhase.ABSENT:
        return proceed_with_shutdown(state)
    return replace(state, edge=EdgePhase.STOPPING), (fx.StopEdge(state.policy.patience_s),)


def _held(state: State) -> str:
    """Why the edge cannot be switched; empty when it can."""
    return "requests are held at the edge: run `modelsvc ctl resume` first" if state.paused else ""


def _not_prewarmed(state: State) -> str:
    if state.prewarmed is None:
        return "nothing is prewarmed"
    return f"release {state.prewarmed} was prewarmed, but its worker is not ready any more"


def _busy(state: State) -> str:
    """Why no request can be accepted now; empty when one can."""
    return _ending(state) or (handover.REPLACED if state.handover else _occupied(state))


def _ending(state: State) -> str:
    return "the supervisor is shutting down" if state.shutdown else ""


def _occupied(state: State) -> str:
    """What is under way, or waits to be; empty when nothing is."""
    if state.boot or state.resumed:
        return "the edge does not run yet, and a deployment waits for it: see `modelsvc ctl logs edge`"
    if state.deployment:
        running = state.deployment
        return (
            f"deployment {running.id} ({running.kind} to {running.to_color}) is at step {running.step:d},"
            f" {running.step.title}: wait for it, see `modelsvc ctl status`"
        )
    waiting = next((slot for slot in state.slots.values() if slot.request), None)
    if waiting is None:
        return ""
    phase = "about to start" if waiting.admitting else waiting.phase
    return f"{waiting.color} is {phase} on another request: wait for it"


def _stay(state: State, request: str, active: Slot) -> Decision:
    """Whoever asked for the active colour has what he wants, if its worker serves."""
    if active.serves:
        return _answer(state, request, Outcome.SUCCEEDED, f"{active.color} serves already")
    why = f"{active.color} is active, but its worker is {active.phase}: see `modelsvc ctl logs {active.color}`"
    return refuse(state, request, why)


def _is_target(state: State, kind: DeploymentKind, release: int | None) -> bool:
    return kind is DeploymentKind.SWAP or release == state.previous_release


def _answer(state: State, request: str, outcome: Outcome, reason: str) -> Decision:
    return state, written(RequestEnded(request, outcome, reason, active=state.active))
