"""Workers that were started with other values of the configuration than there are now: replaced without a loss.

An earlier supervisor started them, and they serve on as they are. The active one is replaced by a deployment of its own
release. Then the standby is stopped, and what it was good for is started again. Hosts and origins are held by releases:
where they were edited, that deployment makes a new release of the same model and settings, and the standby keeps the
old one, to be gone back to.
"""

from dataclasses import replace

from supervisor.core import deployment, ending, slots, watchdog
from supervisor.core.decision import Decision, then
from supervisor.core.lifecycle import Phase
from supervisor.core.requests import obstacle
from supervisor.core.state import REWARM_REQUEST, DeploymentKind, Displaced, EdgePhase, Slot, State


def renew(state: State) -> Decision:
    """The next thing to that end, once nothing else is under way; asked after every event."""
    active, standby = state.active_slot, state.standby
    at_rest = state.edge is EdgePhase.RUNNING and not obstacle(state)
    if not at_rest or active is None or standby is None or not active.serves:
        return state, ()
    if (active.outdated or state.superseded) and not state.replacement_rests:
        return _replace(state, active)
    if standby.outdated and standby.serves and not active.outdated:
        return slots.stop(_displacing(state), standby.color, timeout_s=state.policy.patience_s)
    if state.displaced is None or standby.phase is Phase.STOPPING:
        return state, ()
    return _restore(replace(state, displaced=None), standby, state.displaced)


def _replace(state: State, active: Slot) -> Decision:
    because = ", ".join(filter(None, (active.outdated, state.superseded)))
    why = f"the {active.color} worker is replaced: {because}; until then it goes on as it was started"
    cleared = _give_up_prewarmed(state) if state.superseded else (_displacing(state), ())
    return then(cleared, lambda s: watchdog.replace_active(s, why, in_place=False, because=because))


def _give_up_prewarmed(state: State) -> Decision:
    """Its release holds what is configured no more either, so nobody should deploy it."""
    if state.prewarmed is None:
        return state, ()
    return ending.give_up_prewarmed(state, f"it was made before {state.superseded}")


def _displacing(state: State) -> State:
    """A standby of the very release that is active is good for nothing else."""
    standby = state.standby
    if standby is None or not standby.serves or standby.release in (None, state.active_release):
        return state
    return replace(state, displaced=Displaced(standby.release or 0, standby.release == state.prewarmed))


def _restore(state: State, standby: Slot, displaced: Displaced) -> Decision:
    """Unless another worker came there meanwhile."""
    if standby.phase is not Phase.ABSENT:
        return state, ()
    if displaced.prewarmed:
        kind, release = DeploymentKind.PREWARM, displaced.release
        return deployment.begin(state, REWARM_REQUEST, kind, standby.color, release=release)
    return slots.start(state, standby.color, displaced.release)
