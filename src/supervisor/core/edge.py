"""Keeping nginx up: start, restart with growing pauses, and the boot deployment once it serves."""

from dataclasses import replace
from typing import assert_never

from supervisor.core import deployment, requests
from supervisor.core import events as ev
from supervisor.core.decision import Decision, then, written
from supervisor.core.effects import After, Route, StartEdge, StopEdge
from supervisor.core.records import EdgeChanged, Paused, Warned
from supervisor.core.state import BOOT_REQUEST, DeploymentKind, EdgePhase, State


def decide(
    state: State, event: ev.Started | ev.EdgeStarted | ev.EdgeEnded | ev.EdgeRestartDue | ev.EdgeStable | ev.BootDue
) -> Decision:
    """Everything about nginx, the supervisor's own start included."""
    match event:
        case ev.Started():
            return _start(state) if state.edge is EdgePhase.ABSENT else _boot(state)
        case ev.EdgeStarted():
            return _started(state, event)
        case ev.EdgeEnded():
            return _ended(state, event.reason)
        case ev.EdgeRestartDue():
            due = state.edge is EdgePhase.ABSENT and state.edge_restarts == event.attempt
            return _start(state) if due else (state, ())
        case ev.BootDue():
            return _boot_again(state, event)
        case ev.EdgeStable():
            return replace(state, edge_restarts=0) if state.edge_pid == event.pid else state, ()
        case _:
            assert_never(event)


def _start(state: State) -> Decision:
    if state.shutdown:
        return state, ()
    return replace(state, edge=EdgePhase.STARTING), (StartEdge(),)


def _started(state: State, event: ev.EdgeStarted) -> Decision:
    """It serves. A shutdown that was asked for meanwhile may have found nothing to stop yet, so it is ordered again."""
    began = written(EdgeChanged(event.pid, event.created_at))
    if state.shutdown:
        return replace(state, edge=EdgePhase.STOPPING), (*began, StopEdge(state.policy.patience_s))
    stable = After(state.policy.stable_after_s, ev.EdgeStable(event.pid))
    running = replace(state, edge=EdgePhase.RUNNING, edge_pid=event.pid)
    return then((running, (*began, stable)), _boot)


def _boot(state: State) -> Decision:
    """Go on with what an earlier supervisor left, or deploy what was found wanting at the start."""
    boot = state.boot
    if state.resumed:
        return deployment.resume(state)
    if boot is None:
        return state, ()
    return then(
        _unpaused(replace(state, boot=None)),
        lambda s: deployment.begin(
            s, BOOT_REQUEST, DeploymentKind.DEPLOY, boot.color, change=boot.change, release=boot.release
        ),
    )


def _unpaused(state: State) -> Decision:
    """Whoever held requests held them from a worker that is no more."""
    if not state.paused:
        return state, ()
    told = Warned("requests, which were held by `modelsvc ctl pause`, pass again when a worker is booted")
    return replace(state, paused=False, routed=state.active), (*written(Paused(False), told), Route(state.active))


def _boot_again(state: State, event: ev.BootDue) -> Decision:
    """The pause after a failed boot is over. Whoever deploys meanwhile is quicker, unless that fails."""
    if state.shutdown or state.handover or state.active or state.boot_due != event.attempt:
        return state, ()
    if state.deployment:
        return state, (After(state.policy.boot_pause_s(event.attempt), event),)
    state = replace(state, boot=event.boot, boot_due=0)
    return _boot(state) if state.edge is EdgePhase.RUNNING else (state, ())


def _ended(state: State, reason: str) -> Decision:
    attempt = state.edge_restarts + 1
    ended = replace(state, edge=EdgePhase.ABSENT, edge_pid=None, edge_restarts=attempt)
    record = written(EdgeChanged(None, reason="" if state.shutdown else reason))
    if state.shutdown:
        return then((ended, record), requests.proceed_with_shutdown)
    return ended, (*record, After(state.policy.pause_s(attempt), ev.EdgeRestartDue(attempt)))
