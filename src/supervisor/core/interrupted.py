"""A deployment that an earlier supervisor left under way: what is on record of it, and how its steps come to rest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from supervisor.core.records import StepChanged
from supervisor.core.state import Color, Deployment, DeploymentKind
from supervisor.core.steps import Step, StepState

INTERRUPTED = "the supervisor ended during the deployment"
TAKEN_BACK = frozenset({Step.START_STANDBY, Step.SWITCH_ROUTE, Step.VERIFY_ROUTE})


class Fate(StrEnum):
    """What becomes of an unfinished deployment."""

    FORWARD = "forward"  # it was verified at the edge: step 11 comes next
    VERIFY = "verify"  # the edge was switched, or about to be, and nobody is left to go back to: step 10 comes next
    STAYS = "stays"  # it failed or was given up, and its colour serves for want of another
    BACK = "back"  # everything else


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
    def warm(self) -> bool:
        """Whether the standby ran already."""
        return self.steps.get(Step.START_STANDBY) is StepState.SKIPPED

    @property
    def failed(self) -> bool:
        """Whether a step could not be done, so that it was being taken back, or had been given up."""
        return StepState.FAILED in self.steps.values()


def at_rest(left: Unfinished, fate: Fate, resumed: Deployment | None) -> tuple[StepChanged, ...]:
    """What becomes of steps that were under way, of those that are taken back, and of those that come again."""
    if resumed:
        ends = _come_again(left, resumed.step)
    else:
        ends = _gone_forward(left) if fate is Fate.FORWARD else _gone_back(left, fate)
    return tuple(StepChanged(left.deployment, step, state, reason) for step, (state, reason) in ends.items())


def _come_again(left: Unfinished, done: Step) -> dict[Step, tuple[StepState, str]]:
    """Taking up brings the route to where step 9 brings it, and what is on record as verified was verified."""
    ends: dict[Step, tuple[StepState, str]] = {}
    for step, state in left.steps.items():
        if step > done:
            ends[step] = (StepState.PENDING, "")
        elif state is StepState.RUNNING:
            ends[step] = (StepState.DONE, "")
    return ends


def _gone_forward(left: Unfinished) -> dict[Step, tuple[StepState, str]]:
    """The route is on record, so step 10 was done even where that was not written down any more."""
    begun = {step: (StepState.DONE, "") for step, state in left.steps.items() if state is StepState.RUNNING}
    verified = {step: end for step, end in begun.items() if step <= Step.VERIFY_ROUTE}
    over = {step for step, state in left.steps.items() if state is not StepState.RUNNING}
    skipped = {step: (StepState.SKIPPED, INTERRUPTED) for step in Step if step > Step.VERIFY_ROUTE and step not in over}
    return {**verified, **skipped}


def _gone_back(left: Unfinished, fate: Fate) -> dict[Step, tuple[StepState, str]]:
    """Of one whose colour stays, nothing is undone."""
    ends: dict[Step, tuple[StepState, str]] = {}
    for step, state in left.steps.items():
        if state is StepState.RUNNING:
            ends[step] = (StepState.FAILED, INTERRUPTED)
        elif state is StepState.DONE and step in TAKEN_BACK and fate is Fate.BACK:
            ends[step] = (StepState.UNDONE, "")
    return ends
