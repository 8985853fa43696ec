"""What is worth remembering: one frozen record goes to the journal, the log, and whoever watches.

Records carry no times: whoever writes one down stamps it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.core.lifecycle import Phase
from supervisor.core.state import Color, DeploymentKind, Outcome
from supervisor.core.steps import Step, StepState


@dataclass(frozen=True, slots=True)
class DeploymentBegan:
    """A deployment was accepted, or `resumed` by a supervisor that found it half done.

    `because`: what the watch on files saw, where that asked for it.
    """

    request: str
    deployment: int
    kind: DeploymentKind
    from_color: Color | None
    to_color: Color
    resumed: bool = False
    because: str = ""


@dataclass(frozen=True, slots=True)
class StepChanged:
    """A step began, ended or was undone; `release` is set once it is known, `evidence` is what the step found."""

    deployment: int
    step: Step
    state: StepState
    detail: str = ""
    release: int | None = None
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StepShown:
    """Something to show while a step runs; not kept."""

    deployment: int
    step: Step
    text: str


@dataclass(frozen=True, slots=True)
class RouteChanged:
    """Another colour is the active one; `deployment` is the one that made it so, or took that back."""

    active: Color | None
    release: int | None
    previous_release: int | None
    deployment: int | None = None


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """The operator's request is answered; `deployment` is None where none was begun.

    `transient`: it was refused for a reason that may go away without anybody changing anything.
    """

    request: str
    outcome: Outcome
    reason: str = ""
    deployment: int | None = None
    release: int | None = None
    active: Color | None = None
    transient: bool = False


@dataclass(frozen=True, slots=True)
class WorkerBegan:
    """A worker's process exists."""

    color: Color
    worker_id: str
    pid: int
    created_at: float
    release: int


@dataclass(frozen=True, slots=True)
class WorkerGone:
    """A worker's process ended; `expected` when it was told to."""

    color: Color
    worker_id: str
    code: int | None
    expected: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class WorkerChanged:
    """A slot's phase changed; `worker_id` is of the process it had, or has."""

    color: Color
    worker_id: str | None
    release: int | None
    previous: Phase
    state: Phase


@dataclass(frozen=True, slots=True)
class BakeBreached:
    """The new colour did not prove itself after the switch; `kind` is one of core.bake.BreachKind."""

    deployment: int
    color: Color
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class EdgeChanged:
    """nginx started (`pid`, `created_at`) or ended (`reason`)."""

    pid: int | None
    created_at: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Paused:
    """Requests are held at the edge by an operator's word, or pass again."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Prewarmed:
    """The standby is warm with this release, to be deployed; None: nothing is."""

    release: int | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The release that was rolled back from last, which takes over only where nothing else can; None: none is."""

    release: int | None


@dataclass(frozen=True, slots=True)
class MonitorChanged:
    """The managed Prometheus is wanted or not, and is in that state; `pid` while its process runs."""

    wanted: bool
    state: str  # a phase of core.monitor.lifecycle
    pid: int | None = None
    created_at: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """Something an operator should know although nobody asked."""

    text: str


@dataclass(frozen=True, slots=True)
class WatchDecided:
    """The watch on files looked at them; `verdict` is one of core.desired.VerdictKind, the rest as a Verdict has it."""

    verdict: str
    changes: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HookFailed:
    """The command of a `[[hook]]` did not do what it was run for; `hook` counts from 1, `command` is its program."""

    hook: int
    command: str
    hook_event: str
    hook_event_id: int
    reason: str


Record = (
    DeploymentBegan
    | StepChanged
    | StepShown
    | RouteChanged
    | RequestEnded
    | WorkerBegan
    | WorkerGone
    | WorkerChanged
    | BakeBreached
    | EdgeChanged
    | Paused
    | Prewarmed
    | Rejected
    | MonitorChanged
    | Warned
    | WatchDecided
    | HookFailed
)
