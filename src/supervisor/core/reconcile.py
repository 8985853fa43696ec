"""What an earlier supervisor left: from the journal and the live processes to a state to go on from.

What becomes of an unfinished deployment follows from what is on record of it, and of the route (`Fate`). Workers that
live and are ready are adopted; those of a rolled back deployment, and those that are not ready, are ended. The steps on
record are brought to rest as well, so that none of them is under way for ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.core import ending
from supervisor.core.interrupted import INTERRUPTED, Fate, Unfinished, at_rest
from supervisor.core.lifecycle import Phase
from supervisor.core.records import DeploymentBegan, Record, RequestEnded, StepChanged
from supervisor.core.state import (
    RESUMED_REQUEST,
    Boot,
    Color,
    Deployment,
    EdgePhase,
    Outcome,
    Policy,
    Slot,
    State,
)
from supervisor.core.steps import Step, StepState

BEGUN = (StepState.RUNNING, StepState.DONE)


@dataclass(frozen=True, slots=True)
class Survivor:
    """A worker of an earlier supervisor whose process still lives."""

    color: Color
    worker_id: str
    pid: int
    created_at: float
    release: int
    ready: bool
    outdated: str = ""  # what it was started with and is configured otherwise now
    superseded: str = ""  # the same of what its release holds


@dataclass(frozen=True, slots=True)
class Found:
    """All that is known at the start.

    `active` is the colour the edge was last verified to route to, and `brought_by` the deployment that this is from.
    """

    boot: Boot
    policy: Policy = field(default_factory=Policy)
    active: Color | None = None
    brought_by: int | None = None
    paused: bool = False
    prewarmed: int | None = None
    rejected: int | None = None
    served_release: int | None = None
    previous_release: int | None = None
    last_release: int = 0
    last_deployment: int = 0
    last_worker: int = 0
    edge_lives: bool = False
    survivors: tuple[Survivor, ...] = ()
    unfinished: Unfinished | None = None


@dataclass(frozen=True, slots=True)
class Resumption:
    """How to go on: the state, the workers to end, and how an unfinished deployment that is over is to be recorded.

    `steps` is what its steps came to.
    """

    state: State
    stop: tuple[str, ...]
    outcome: Outcome | None
    steps: tuple[StepChanged, ...] = ()

    def retold(self, unfinished: Unfinished | None) -> tuple[Record, ...]:
        """What those who follow the new supervisor are told of the deployment that is over: it is on record."""
        if unfinished is None or self.outcome is None:
            return ()
        number, colors = unfinished.deployment, (unfinished.from_color, unfinished.to_color)
        began = DeploymentBegan(RESUMED_REQUEST, number, unfinished.kind, *colors, resumed=True)
        ended = RequestEnded(RESUMED_REQUEST, self.outcome, INTERRUPTED, number, unfinished.release, self.state.active)
        return began, *self.steps, ended


def reconcile(found: Found) -> Resumption:
    """Decide what is adopted and what is ended. Nothing is booted when the active worker lives on."""
    ready = {survivor.color: survivor for survivor in found.survivors if survivor.ready}
    left, fate = found.unfinished, _fate(found, ready)
    rejected = _rejected(left) if left and fate is Fate.BACK else None
    kept = {color: survivor for color, survivor in ready.items() if color is not rejected}
    resumed = _resumed(left, fate, found.boot) if left and fate and left.to_color in kept else None
    active = None if fate is Fate.VERIFY else _active(found, kept)
    lost = active is None or active is not found.active
    serving = kept.get(resumed.to_color) if resumed else kept.get(active) if active else None
    state = State(
        slots=_slots(kept),
        policy=found.policy,
        active=active,
        stands_in=lost and active is not None,
        routed=None if found.paused else resumed.to_color if resumed else active,
        paused=found.paused,
        prewarmed=found.prewarmed,
        prewarm_lost=_prewarm_lost(found, kept),
        rejected=found.rejected,
        superseded=serving.superseded if serving else "",
        previous_release=found.previous_release,
        served_release=found.served_release,
        edge=EdgePhase.RUNNING if found.edge_lives else EdgePhase.ABSENT,
        resumed=resumed,
        boot=found.boot if lost and not resumed else None,
        last_release=found.last_release,
        last_deployment=found.last_deployment,
        last_worker=found.last_worker,
    )
    stop = tuple(survivor.worker_id for survivor in found.survivors if survivor not in kept.values())
    outcome = _outcome(left, fate) if left and fate and not resumed else None
    steps = at_rest(left, fate, resumed) if left and fate else ()
    return Resumption(state, stop, outcome, steps)


def _fate(found: Found, ready: Mapping[Color, Survivor]) -> Fate | None:
    """By the deployment number recorded with the route, not by the active colour: an earlier deployment may have made
    that active."""
    left = found.unfinished
    if left is None:
        return None
    if found.brought_by == left.deployment:
        if found.active is not left.to_color:
            return Fate.BACK
        return Fate.STAYS if left.failed else Fate.FORWARD
    switched = left.steps.get(Step.SWITCH_ROUTE) in BEGUN and not left.failed
    alone = left.to_color in ready and left.from_color not in ready
    return Fate.VERIFY if switched and alone else Fate.BACK


def _resumed(left: Unfinished, fate: Fate, boot: Boot) -> Deployment | None:
    """The deployment to go on with, at its last step that is done.

    With nobody to go back to it is like a first one: what served before is booted if it fails.
    """
    if fate not in (Fate.FORWARD, Fate.VERIFY):
        return None
    verified = fate is Fate.FORWARD
    return Deployment(
        left.deployment,
        left.kind,
        RESUMED_REQUEST,
        left.from_color if verified else None,
        left.to_color,
        previous_release=left.previous_release,
        release=left.release,
        warm=left.warm,
        step=Step.VERIFY_ROUTE if verified else Step.SWITCH_ROUTE,
        instead=None if verified else boot,
    )


def _active(found: Found, kept: Mapping[Color, Survivor]) -> Color | None:
    """The colour that served last, if it lives; else the other one serves until the boot deployment is done."""
    if found.active in kept:
        return found.active
    return next((color for color in kept if color is not found.boot.color), None)


def _prewarm_lost(found: Found, kept: Mapping[Color, Survivor]) -> str:
    """It is not started again: nobody saw why it ended."""
    if found.prewarmed is None or any(survivor.release == found.prewarmed for survivor in kept.values()):
        return ""
    return (
        f"the worker of release {found.prewarmed} ended while no supervisor ran; `modelsvc ctl prewarm` does it again"
    )


def _rejected(left: Unfinished) -> Color | None:
    """The standby of a deployment that is rolled back; none where the deployment had not touched it yet, or where it
    stays what it was."""
    goes = Step.START_STANDBY in left.steps and not ending.was_there_before(left.kind, left.warm)
    return left.to_color if goes else None


def _outcome(left: Unfinished, fate: Fate) -> Outcome:
    """Of one that is over. One that was verified, and whose worker is lost since, had succeeded."""
    match fate:
        case Fate.FORWARD:
            return Outcome.SUCCEEDED
        case Fate.BACK if left.from_color:
            return Outcome.ROLLED_BACK
        case _:
            return Outcome.FAILED


def _slots(kept: Mapping[Color, Survivor]) -> dict[Color, Slot]:
    return {color: _adopted(kept[color]) if color in kept else Slot(color) for color in Color}


def _adopted(survivor: Survivor) -> Slot:
    return Slot(
        survivor.color,
        wanted=True,
        phase=Phase.READY,
        release=survivor.release,
        worker_id=survivor.worker_id,
        pid=survivor.pid,
        progress="adopted",
        outdated=survivor.outdated,
    )
