"""What an operation tells while it runs, one JSON object a line."""

import msgspec

from supervisor.core.state import Color, DeploymentKind, Outcome
from supervisor.protocol.base import Struct
from supervisor.protocol.status import StepReport


class Accepted(Struct, frozen=True, tag_field="event", tag="accepted"):
    """First line of a deployment: which one it is and what it will go through."""

    deployment: int
    kind: DeploymentKind
    from_color: Color | None
    to_color: Color
    steps: list[StepReport]


class StepChanged(Struct, frozen=True, tag_field="event", tag="step"):
    """A step began, ended, was skipped or was undone."""

    deployment: int
    step: StepReport


class Progress(Struct, frozen=True, tag_field="event", tag="progress"):
    """Something to show while a step runs: the worker's loading status, streams still draining."""

    deployment: int
    number: int
    text: str


class Finished(Struct, frozen=True, tag_field="event", tag="finished"):
    """Last line of every operation."""

    outcome: Outcome
    reason: str = ""
    deployment: int | None = None
    release: int | None = None
    seconds: float = 0.0
    active: Color | None = None
    steps: list[StepReport] = []


StreamEvent = Accepted | StepChanged | Progress | Finished


def decode_event(line: str | bytes) -> StreamEvent:
    """One line of a stream as its event. Raises msgspec.DecodeError on anything else."""
    event: StreamEvent = msgspec.json.decode(line, type=StreamEvent)
    return event
