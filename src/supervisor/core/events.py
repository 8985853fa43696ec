"""What happened, as the loop tells the planner: requests of operators, results of effects, facts of the outside."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.core.state import Boot, Change, Color, DeploymentKind

# --- requests: `request` names the one who waits for the outcome ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeployRequested:
    """Bring a changed release to the active colour."""

    request: str
    change: Change


@dataclass(frozen=True, slots=True)
class SwitchRequested:
    """Go back to the previous release (ROLLBACK), or over to the warm standby (SWAP)."""

    request: str
    kind: DeploymentKind

    def __post_init__(self) -> None:
        if self.kind is DeploymentKind.DEPLOY:
            raise ValueError("a deployment is asked for with DeployRequested")


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


# --- results of effects -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepSucceeded:
    """The effect with this token is done; step 3 names the release it admitted. `evidence` is JSON values to keep."""

    token: int
    detail: str = ""
    release: int | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The effect with this token could not be done."""

    token: int
    reason: str
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepProgressed:
    """The effect with this token is under way."""

    token: int
    text: str


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
class BootDue:
    """Timer: the pause after a boot that failed is over."""

    boot: Boot
    attempt: int


Event = (
    DeployRequested
    | SwitchRequested
    | StartRequested
    | StopRequested
    | ShutdownRequested
    | StepSucceeded
    | StepFailed
    | StepProgressed
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
    | BootDue
)
