"""What a request that found nobody home may hope for."""

from enum import StrEnum

from supervisor.core.lifecycle import Phase
from supervisor.core.state import State


class Outlook(StrEnum):
    """Whether somebody serves, is about to, would if an operator let him, or will not without an operator."""

    SERVES = "serves"
    COMING = "coming"
    HELD = "held"
    GONE = "gone"


def outlook(state: State) -> Outlook:
    """Whether the colour the edge routes to serves now, and if not, whether somebody will."""
    routed = state.slots[state.routed] if state.routed else None
    if routed and routed.serves and not routed.condemned:
        return Outlook.SERVES
    if state.shutdown:
        return Outlook.GONE
    if state.paused:
        return Outlook.HELD
    return Outlook.COMING if _is_coming(state) else Outlook.GONE


def _is_coming(state: State) -> bool:
    if state.deployment or state.boot or state.resumed:
        return True
    if state.active_slot is None:
        return state.boot_due > 0
    return state.active_slot.phase in (Phase.STARTING, Phase.READY, Phase.BACKOFF)
