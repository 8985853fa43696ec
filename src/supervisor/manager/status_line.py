"""The state of the service in one line, for `systemctl status`."""

from supervisor.core.state import Deployment, EdgePhase, State


def is_ending(state: State) -> bool:
    """Whether the supervisor is about to end."""
    return bool(state.shutdown or state.handover)


def status_text(state: State) -> str:
    """What serves, and what is going on."""
    return "; ".join(filter(None, (_ending(state), _serving(state), _deploying(state.deployment))))


def _ending(state: State) -> str:
    if state.shutdown:
        return "stopping, running answers are finished first"
    return "being replaced, what is under way is finished first" if state.handover else ""


def _serving(state: State) -> str:
    if state.paused:
        return "requests are held"
    if state.edge is not EdgePhase.RUNNING:
        return f"nginx is {state.edge}"
    active = state.active_slot
    if active is None or not active.serves:
        return f"no worker serves, {active.color} is {active.phase}" if active else "no worker serves yet"
    return f"{active.color} serves release {active.release}"


def _deploying(running: Deployment | None) -> str:
    if running is None:
        return ""
    step = f"step {running.step:d}, {running.step.title}"
    return f"deployment {running.id} ({running.kind} to {running.to_color}): {step}"
