"""What happens in the service, as whoever follows it is told: `GET /v1/events`, hooks, the status page.

One flat JSON object each. `id` grows with each of them and is never used twice, `at` is the time of day (RFC 3339,
UTC), `event` the name.
"""

from typing import Annotated, Any, get_args

import msgspec

from supervisor.core.state import Color, DeploymentKind, Outcome, StepState
from supervisor.protocol.base import Struct


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")


class Base(Struct, frozen=True, tag_field="event", tag=_snake):
    """What all have. A class is named after its event."""

    id: int
    at: str


class DeploymentBegan(Base, frozen=True):
    """A deployment was accepted, or `resumed` by a supervisor that found it half done.

    `because`: what the watch on files saw, where that asked for it.
    """

    deployment: int
    kind: DeploymentKind
    from_color: Color | None
    to_color: Color
    resumed: bool = False
    because: str = ""


class StepUpdated(Base, frozen=True, tag="step_changed"):
    """A step began, ended, was skipped or was undone; `seconds` once it is over, `release` once it is known."""

    deployment: int
    number: Annotated[int, msgspec.Meta(ge=1, le=13)]
    name: str
    title: str
    state: StepState
    seconds: float | None = None
    detail: str = ""
    release: int | None = None
    evidence: dict[str, Any] = {}


class StepProgressed(Base, frozen=True):
    """Something to show while a step runs: how far a model is loaded, streams still draining."""

    deployment: int
    number: int
    text: str


class DeploymentEnded(Base, frozen=True):
    """A deployment is over; `seconds` since it began, or was resumed, and None where that was not seen."""

    deployment: int
    kind: DeploymentKind | None
    outcome: Outcome
    reason: str
    release: int | None
    seconds: float | None
    active: Color | None


class OperationEnded(Base, frozen=True):
    """What an operator asked for is over, or was refused, and was no deployment."""

    outcome: Outcome
    reason: str


class RouteChanged(Base, frozen=True):
    """Another colour is the active one; None: none is. `deployment` made it so, or took that back; None: none did."""

    active: Color | None
    release: int | None
    previous_release: int | None
    deployment: int | None = None


class WorkerChanged(Base, frozen=True):
    """A slot went from one state to another: absent, starting, ready, stopping, backoff, failed."""

    color: Color
    worker_id: str | None
    release: int | None
    previous: str
    state: str


class WorkerCrashed(Base, frozen=True):
    """A worker's process ended and nobody had asked for that: by itself with `code`, or killed by a `signal`."""

    color: Color
    worker_id: str
    code: int | None
    signal: str | None
    reason: str


class EdgeStarted(Base, frozen=True):
    """nginx serves."""

    pid: int


class EdgeEnded(Base, frozen=True):
    """nginx does not run any more; `reason` is empty when it was told to end."""

    reason: str


class Paused(Base, frozen=True):
    """Requests are held at the edge by an operator's word."""


class Resumed(Base, frozen=True):
    """Requests pass again."""


class Prewarmed(Base, frozen=True):
    """The standby is warm with this release, to be deployed; None: nothing is any more."""

    release: int | None


class BakeBreached(Base, frozen=True):
    """The new colour did not prove itself after the switch: not_ready, stall, errors or latency; `reason` in words."""

    deployment: int
    color: Color
    kind: str
    reason: str


class Warned(Base, frozen=True):
    """Something an operator should know although nobody asked."""

    text: str


class WatchDecided(Base, frozen=True):
    """The watch on files looked at them. `changes`: what is wanted and does not serve; `reason`: why it is not now."""

    verdict: str  # in_accord, asks, deploys, waits, settled, rejected
    changes: list[str] = []
    reason: str = ""


class HookFailed(Base, frozen=True):
    """The command of a hook, the `hook`th of the configuration, was not run for an event, or failed at it."""

    hook: int
    command: str
    hook_event: str
    hook_event_id: int
    reason: str


class MonitorChanged(Base, frozen=True):
    """What the managed Prometheus does now; `reason` where it ended or was not started."""

    state: str  # off, starting, running, waiting, stopping, failed
    pid: int | None = None
    reason: str = ""


class EventsMissed(Base, frozen=True):
    """Told to one follower: events before this one are not kept any more; `count` is None where it is not known."""

    count: int | None


Happening = (
    DeploymentBegan
    | StepUpdated
    | StepProgressed
    | DeploymentEnded
    | OperationEnded
    | RouteChanged
    | WorkerChanged
    | WorkerCrashed
    | EdgeStarted
    | EdgeEnded
    | Paused
    | Resumed
    | Prewarmed
    | BakeBreached
    | Warned
    | WatchDecided
    | HookFailed
    | MonitorChanged
    | EventsMissed
)


def name_of(happening: Happening | type[Happening]) -> str:
    """The event's name."""
    return str(happening.__struct_config__.tag)


NAMES: tuple[str, ...] = tuple(name_of(kind) for kind in get_args(Happening))
HOOKABLE = tuple(name for name in NAMES if name != name_of(EventsMissed))  # what happens to the service itself


def decode_happening(data: str | bytes) -> Happening:
    """One event's JSON. Raises msgspec.DecodeError on anything else."""
    happening: Happening = msgspec.json.decode(data, type=Happening)
    return happening
