"""What an earlier supervisor left: from the journal and the live processes to a state to go on from.

A deployment that had not been verified at the edge (step 10) is rolled back, one that had goes on with step 11. Workers
that live and are ready are adopted; those of a rolled back deployment, and those that are not ready, are ended. The
steps on record are brought to rest as well, so that none of them is under way for ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.core.lifecycle import Phase
from supervisor.core.records import DeploymentBegan, Record, RequestEnded, StepChanged
from supervisor.core.state import (
    RESUMED_REQUEST,
    Boot,
    Color,
    Deployment,
    DeploymentKind,
    EdgePhase,
    Outcome,
    Policy,
    Slot,
    State,
)
from supervisor.core.steps import Step, StepState

INTERRUPTED = "the supervisor ended during the deployment"
TAKEN_BACK = frozenset({Step.START_STANDBY, Step.SWITCH_ROUTE, Step.VERIFY_ROUTE})


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


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A deployment the journal shows as under way; `steps` are those that had begun."""

    deployment: int
    from_color: Color | None
    to_color: Color
    steps: Mapping[Step, StepState] = field(default_factory=dict)
    kind: DeploymentKind = DeploymentKind.DEPLOY
    release: int | None = None
    previous_release: int | None = None  # to go back to once it is taken back: what served before the old colour's

    @property
    def verified(self) -> bool:
        """Whether the new colour was seen at the edge."""
        return self.steps.get(Step.VERIFY_ROUTE) is StepState.DONE


@dataclass(frozen=True, slots=True)
class Found:
    """All that is known at the start. `active` is the colour the edge was last verified to route to."""

    boot: Boot
    policy: Policy = field(default_factory=Policy)
    active: Color | None = None
    paused: bool = False
    prewarmed: int | None = None
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
    outcome = _outcome(found)
    rejected = _rejected(found.unfinished, outcome)
    kept = {
        survivor.color: survivor for survivor in found.survivors if survivor.ready and survivor.color is not rejected
    }
    active = _active(found, kept)
    resumed = _resumed(found, outcome, active)
    state = State(
        slots=_slots(kept),
        policy=found.policy,
        active=active,
        routed=None if found.paused else active,
        paused=found.paused,
        prewarmed=found.prewarmed,
        prewarm_lost=_prewarm_lost(found, kept),
        previous_release=found.previous_release,
        served_release=found.served_release,
        edge=EdgePhase.RUNNING if found.edge_lives else EdgePhase.ABSENT,
        resumed=resumed,
        boot=None if active and active is found.active else found.boot,
        last_release=found.last_release,
        last_deployment=found.last_deployment,
        last_worker=found.last_worker,
    )
    stop = tuple(survivor.worker_id for survivor in found.survivors if survivor not in kept.values())
    return Resumption(state, stop, None if resumed else outcome, _at_rest(found.unfinished, outcome, resumed))


def _resumed(found: Found, outcome: Outcome | None, active: Color | None) -> Deployment | None:
    """The deployment to go on with: its new colour was verified, and lives."""
    left = found.unfinished
    if left is None or outcome is not Outcome.SUCCEEDED or left.from_color is None or active is not left.to_color:
        return None
    return Deployment(
        left.deployment,
        left.kind,
        RESUMED_REQUEST,
        left.from_color,
        left.to_color,
        previous_release=left.previous_release,
        release=left.release,
        step=Step.VERIFY_ROUTE,
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


def _rejected(left: Unfinished | None, outcome: Outcome | None) -> Color | None:
    """The standby of a deployment that is rolled back; that of a rollback or swap was there before it, and so was any
    that the deployment had not touched yet."""
    standby_of_before = (DeploymentKind.ROLLBACK, DeploymentKind.SWAP, DeploymentKind.FAILOVER)
    if left is None or outcome is Outcome.SUCCEEDED or left.kind in standby_of_before:
        return None
    return left.to_color if Step.START_STANDBY in left.steps else None


def _outcome(found: Found) -> Outcome | None:
    left = found.unfinished
    if left is None:
        return None
    if left.from_color is None:  # a boot goes to the colour that was active before it, so the route does not tell
        return Outcome.SUCCEEDED if left.verified else Outcome.FAILED
    return Outcome.SUCCEEDED if found.active is left.to_color else Outcome.ROLLED_BACK


def _at_rest(left: Unfinished | None, outcome: Outcome | None, resumed: Deployment | None) -> tuple[StepChanged, ...]:
    """What becomes of steps that were under way, and of those that are taken back. A resumed one enters its own."""
    if left is None or outcome is None:
        return ()
    ends = _gone_forward(left, bool(resumed)) if outcome is Outcome.SUCCEEDED else _gone_back(left)
    return tuple(StepChanged(left.deployment, step, state, reason) for step, (state, reason) in ends.items())


def _gone_forward(left: Unfinished, resumed: bool) -> dict[Step, tuple[StepState, str]]:
    """The route is on record, so step 10 was done even where that was not written down any more."""
    begun = {step: (StepState.DONE, "") for step, state in left.steps.items() if state is StepState.RUNNING}
    verified = {step: end for step, end in begun.items() if step <= Step.VERIFY_ROUTE}
    if resumed:
        return verified
    over = {step for step, state in left.steps.items() if state is not StepState.RUNNING}
    skipped = {step: (StepState.SKIPPED, INTERRUPTED) for step in Step if step > Step.VERIFY_ROUTE and step not in over}
    return {**verified, **skipped}


def _gone_back(left: Unfinished) -> dict[Step, tuple[StepState, str]]:
    ends: dict[Step, tuple[StepState, str]] = {}
    for step, state in left.steps.items():
        if state is StepState.RUNNING:
            ends[step] = (StepState.FAILED, INTERRUPTED)
        elif state is StepState.DONE and step in TAKEN_BACK:
            ends[step] = (StepState.UNDONE, "")
    return ends


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
