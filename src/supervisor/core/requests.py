"""What operators may ask for, and when it is refused."""

from dataclasses import replace

from supervisor.core import deployment, slots
from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.decision import Decision, then, written
from supervisor.core.lifecycle import Phase
from supervisor.core.records import RequestEnded
from supervisor.core.state import Color, DeploymentKind, EdgePhase, Outcome, State


def deploy(state: State, event: ev.DeployRequested) -> Decision:
    """A changed release for the colour that is not active."""
    if why := _busy(state):
        return refuse(state, event.request, why)
    to_color = state.active.other if state.active else Color.BLUE
    return deployment.begin(state, event.request, DeploymentKind.DEPLOY, to_color, change=event.change)


def switch(state: State, event: ev.SwitchRequested) -> Decision:
    """To the warm standby; a rollback finds its release by a full deployment when none is warm."""
    if why := _busy(state):
        return refuse(state, event.request, why)
    if state.active is None:
        return refuse(state, event.request, "no colour is active yet: run `modelsvc ctl deploy` first")
    standby = state.slots[state.active.other]
    if standby.serves and _is_target(state, event.kind, standby.release):
        return deployment.begin(state, event.request, event.kind, standby.color, release=standby.release, warm=True)
    if event.kind is DeploymentKind.SWAP:
        why = f"{standby.color} is {standby.phase}: start it with `modelsvc ctl start {standby.color}`, then swap"
        return refuse(state, event.request, why)
    if state.previous_release is None:
        return refuse(state, event.request, "there is no earlier release to roll back to")
    return deployment.begin(state, event.request, event.kind, standby.color, release=state.previous_release)


def start(state: State, event: ev.StartRequested) -> Decision:
    """The slot's own release, else the active one; with nothing active it is a deployment.

    A worker that is starting by itself, after a crash, is joined.
    """
    slot = state.slots[event.color]
    if slot.serves and state.active:
        return _answer(state, event.request, Outcome.SUCCEEDED, f"{event.color} is ready already")
    if why := _busy(state):
        return refuse(state, event.request, why)
    if slot.serves:
        kind = DeploymentKind.SWAP
        return deployment.begin(state, event.request, kind, event.color, release=slot.release, warm=True)
    if slot.phase is Phase.STOPPING:
        return refuse(state, event.request, f"{event.color} is stopping: wait until it has ended")
    if slot.phase is Phase.STARTING:
        return state.with_slot(event.color, request=event.request), ()
    release = slot.release or state.active_release
    if release is None:
        return refuse(state, event.request, "there is no release to start: run `modelsvc ctl deploy` first")
    if state.active is None:
        return deployment.begin(state, event.request, DeploymentKind.DEPLOY, event.color, release=release)
    return slots.start(state, event.color, release, event.request)


def stop(state: State, event: ev.StopRequested) -> Decision:
    """The standby; the active colour only by force, since the edge then answers 503."""
    if why := _busy(state):
        return refuse(state, event.request, why)
    if event.color is state.active and not event.force:
        why = f"{event.color} is active and serves all requests: swap first, or use --force"
        return refuse(state, event.request, why)
    decision = slots.stop(state, event.color, event.request)
    if decision[0].slots[event.color].phase is not Phase.ABSENT:
        return decision
    idle = decision[0].with_slot(event.color, request=None)
    return then((idle, decision[1]), lambda s: _answer(s, event.request, Outcome.SUCCEEDED, ""))


def shutdown(state: State, event: ev.ShutdownRequested) -> Decision:
    """End the edge first, so that nothing is accepted that nobody would answer, then workers, then ourselves."""
    if state.shutdown:
        return refuse(state, event.request, "the supervisor is shutting down already")
    return then(deployment.abandon(replace(state, shutdown=event.request, boot=None)), _stop_edge)


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
    return replace(state, edge=EdgePhase.STOPPING), (fx.StopEdge(state.policy.stop_timeout_s),)


def _busy(state: State) -> str:
    """Why no request can be accepted now; empty when one can."""
    if state.shutdown:
        return "the supervisor is shutting down"
    if state.boot:
        return "the edge does not run yet, and the first deployment waits for it: see `modelsvc ctl logs edge`"
    if state.deployment:
        running = state.deployment
        return (
            f"deployment {running.id} ({running.kind} to {running.to_color}) is at step {running.step:d},"
            f" {running.step.title}: wait for it, see `modelsvc ctl status`"
        )
    waiting = next((slot for slot in state.slots.values() if slot.request), None)
    return f"{waiting.color} is {waiting.phase} on another request: wait for it" if waiting else ""


def _is_target(state: State, kind: DeploymentKind, release: int | None) -> bool:
    return kind is DeploymentKind.SWAP or release == state.previous_release


def _answer(state: State, request: str, outcome: Outcome, reason: str) -> Decision:
    return state, written(RequestEnded(request, outcome, reason, active=state.active))
