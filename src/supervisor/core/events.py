"""What happened, as the loop tells the planner: requests of operators, results of effects, facts of the outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.core.state import Boot, Change, Color, DeploymentKind

# --- requests: `request` names the one who waits for the outcome ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeployRequested:
    """Bring a changed release to the active colour.

    `in_place`: stop the old worker first, while requests are held. `fast`: only if it was prewarmed. `because`: what
    the watch on files saw, where that is who asks.
    """

    request: str
    change: Change
    in_place: bool = False
    fast: bool = False
    because: str = ""

    def __post_init__(self) -> None:
        if self.in_place and self.fast:
            raise ValueError("what is prewarmed runs already: it cannot be deployed in place")


@dataclass(frozen=True, slots=True)
class PrewarmRequested:
    """Bring a changed release to the standby colour, and leave it there warm."""

    request: str
    change: Change


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Give up prewarming, or stop what was prewarmed."""

    request: str


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """Hold all requests at the edge until ResumeRequested."""

    request: str


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """Let requests pass again."""

    request: str


@dataclass(frozen=True, slots=True)
class SwitchRequested:
    """Go back to the previous release (ROLLBACK), or over to the warm standby (SWAP).

    `to` names the colour that is to serve: where it does already, nothing is left to do.
    """

    request: str
    kind: DeploymentKind
    in_place: bool = False  # where a full deployment is needed: stop the old worker first
    to: Color | None = None

    def __post_init__(self) -> None:
        if self.kind not in (DeploymentKind.ROLLBACK, DeploymentKind.SWAP):
            raise ValueError(f"a switch is a rollback or a swap, not {self.kind}")


@dataclass(frozen=True, slots=True)
class StartRequested:
    """Bring a colour's worker up with the release it had."""

    request: str
    color: Color


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Take a colour's worker down; the active one only with `force`."""

    request: str
    color: Color
    force: bool = False


@dataclass(frozen=True, slots=True)
class ShutdownRequested:
    """End edge, workers and supervisor."""

    request: str


@dataclass(frozen=True, slots=True)
class HandoverRequested:
    """Finish what is under way, then end the supervisor alone; asked for again: end it at once."""

    request: str


# --- results of effects -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepSucceeded:
    """The effect with this token is done; step 3 names the release it admitted. `evidence`: JSON values to keep."""

    token: int
    detail: str = ""
    release: int | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The effect with this token could not be done; `transient`: it may be in a while, with nothing changed."""

    token: int
    reason: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    transient: bool = False


@dataclass(frozen=True, slots=True)
class StepProgressed:
    """The effect with this token is under way."""

    token: int
    text: str


@dataclass(frozen=True, slots=True)
class WorkerAdmitted:
    """There is room for the worker that the request asks for."""

    color: Color
    request: str


@dataclass(frozen=True, slots=True)
class WorkerRefused:
    """There is none, or its release cannot be started."""

    color: Color
    request: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerSpawned:
    """The process exists; `created_at` tells it from a later one with its pid."""

    color: Color
    worker_id: str
    pid: int
    created_at: float


@dataclass(frozen=True, slots=True)
class WorkerSpawnFailed:
    """There is no process."""

    color: Color
    worker_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class EdgeStarted:
    """nginx serves."""

    pid: int
    created_at: float


@dataclass(frozen=True, slots=True)
class EdgeEnded:
    """nginx does not run (any more)."""

    reason: str


@dataclass(frozen=True, slots=True)
class HeldAnswered:
    """Nobody waits in the holder, or whoever does had the time that a request may wait."""


# --- facts ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The supervisor runs: bring up what should be up."""


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """The worker announced READY=1."""

    worker_id: str


@dataclass(frozen=True, slots=True)
class WorkerProgressed:
    """The worker announced a STATUS."""

    worker_id: str
    text: str


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """The worker's process is gone; `code` is negative for a signal, and None when it was not our child."""

    worker_id: str
    code: int | None


@dataclass(frozen=True, slots=True)
class ReadyOverdue:
    """Timer: the worker had its time to become ready."""

    worker_id: str


@dataclass(frozen=True, slots=True)
class RestartDue:
    """Timer: the pause before restarting a crashed worker is over."""

    color: Color
    attempt: int


@dataclass(frozen=True, slots=True)
class WorkerStable:
    """Timer: the worker has been up long enough for its earlier crashes to be forgotten."""

    worker_id: str


@dataclass(frozen=True, slots=True)
class EdgeRestartDue:
    """Timer: the pause before restarting nginx is over."""

    attempt: int


@dataclass(frozen=True, slots=True)
class EdgeStable:
    """Timer: this nginx has been up long enough for its earlier ends to be forgotten."""

    pid: int


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """A look at a worker that serves: why it is not well (empty: it is), and its own bytes where they can be told."""

    worker_id: str
    problem: str = ""
    private_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class MemorySeen:
    """A look at what the whole service holds."""

    used_bytes: int


@dataclass(frozen=True, slots=True)
class RouteSeen:
    """A look at the colour the edge routes to."""

    color: Color | None


@dataclass(frozen=True, slots=True)
class ReplacementRested:
    """Timer: a worker may be replaced for its memory again."""


@dataclass(frozen=True, slots=True)
class TakeoverRested:
    """Timer: a standby that could not take over may be asked again."""

    worker_id: str


@dataclass(frozen=True, slots=True)
class PrewarmDue:
    """Timer: the pause before prewarming again what crashed is over."""

    release: int
    attempt: int


@dataclass(frozen=True, slots=True)
class BootDue:
    """Timer: the pause after a boot that failed is over."""

    boot: Boot
    attempt: int


Event = (
    DeployRequested
    | PrewarmRequested
    | CancelRequested
    | PauseRequested
    | ResumeRequested
    | SwitchRequested
    | StartRequested
    | StopRequested
    | ShutdownRequested
    | HandoverRequested
    | HeldAnswered
    | StepSucceeded
    | StepFailed
    | StepProgressed
    | WorkerAdmitted
    | WorkerRefused
    | WorkerSpawned
    | WorkerSpawnFailed
    | EdgeStarted
    | EdgeEnded
    | Started
    | WorkerReady
    | WorkerProgressed
    | WorkerEnded
    | ReadyOverdue
    | RestartDue
    | WorkerStable
    | EdgeRestartDue
    | EdgeStable
    | WorkerSeen
    | MemorySeen
    | RouteSeen
    | ReplacementRested
    | TakeoverRested
    | PrewarmDue
    | BootDue
)
