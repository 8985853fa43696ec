"""What is to be done: frozen orders to the executor.

A step effect carries a token; the executor answers with StepSucceeded or StepFailed of the same token.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from supervisor.core.events import Event
from supervisor.core.records import Record
from supervisor.core.state import Change, Color

Evidence = Mapping[str, object]  # JSON values


@dataclass(frozen=True, slots=True)
class Write:
    """Write the record down before anything that follows is done."""

    record: Record


@dataclass(frozen=True, slots=True)
class After:
    """Bring the event back after a pause of `delay_s`."""

    delay_s: float
    event: Event


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Spawn the worker: answered by WorkerSpawned or WorkerSpawnFailed.

    In the `background` it leaves the processors to the other colour until it gets requests of clients itself. `stays`:
    the edge routes to its colour, so it has the port that the colour had.
    """

    color: Color
    worker_id: str
    release: int
    background: bool = False  # another colour serves, and must not feel it
    stays: bool = False


@dataclass(frozen=True, slots=True)
class AdmitWorker:
    """Whether a worker of the recorded `release` has room beside what runs: WorkerAdmitted or WorkerRefused."""

    color: Color
    request: str
    release: int


@dataclass(frozen=True, slots=True)
class StopWorker:
    """TERM the worker's group, KILL it after `timeout_s`: answered by WorkerEnded."""

    worker_id: str
    timeout_s: float


@dataclass(frozen=True, slots=True)
class StartEdge:
    """Start nginx: answered by EdgeStarted or EdgeEnded."""


@dataclass(frozen=True, slots=True)
class StopEdge:
    """Let nginx finish what runs, for `timeout_s` at most: answered by EdgeEnded."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Route:
    """Have the edge route to `color` at once, or hold all requests when None."""

    color: Color | None


@dataclass(frozen=True, slots=True)
class AwaitHeld:
    """Wait until nobody waits in the holder, for as long as a request may: answered by HeldAnswered."""


@dataclass(frozen=True, slots=True)
class CancelStep:
    """Abandon the step effect under way; its answer would be dropped anyway."""


@dataclass(frozen=True, slots=True)
class Exit:
    """End the loop."""


# --- step effects -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckWorker:
    """Ask the worker itself whether it is ready."""

    token: int
    color: Color


@dataclass(frozen=True, slots=True)
class CheckEdge:
    """nginx runs, and its include file names `color`."""

    token: int
    color: Color | None


@dataclass(frozen=True, slots=True)
class Admit:
    """Make release `number` from `change` on top of release `base`, or check the recorded `release` again.

    `renews`: make it of that recorded release instead, with hosts and origins as they are configured now. `in_place`:
    what serves now is stopped before the new worker is started.
    """

    token: int
    to_color: Color
    change: Change
    base: int | None
    number: int
    release: int | None = None
    in_place: bool = False
    renews: int | None = None


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Real inference on the worker; `active` is the colour it may be compared with."""

    token: int
    color: Color
    active: Color | None = None


@dataclass(frozen=True, slots=True)
class WriteConfig:
    """Publish the edge's configuration, if what is on disk is not what it should be."""

    token: int


@dataclass(frozen=True, slots=True)
class TestConfig:
    """Have nginx test its configuration."""

    token: int


@dataclass(frozen=True, slots=True)
class SwitchRoute:
    """Have the edge route to `color`, losing no connection; None: hold all requests."""

    token: int
    color: Color | None


@dataclass(frozen=True, slots=True)
class VerifyRoute:
    """Ask through the edge until `color` answers with `release`."""

    token: int
    color: Color
    release: int | None


@dataclass(frozen=True, slots=True)
class Drain:
    """Wait until no old nginx worker is left and `color` has nothing in flight, for `timeout_s` at most."""

    token: int
    color: Color
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Bake:
    """Watch `color` for `seconds`."""

    token: int
    color: Color
    seconds: float


@dataclass(frozen=True, slots=True)
class Tally:
    """Count what clients asked and lost during the deployment."""

    token: int
    deployment: int


StepEffect = (
    CheckWorker
    | CheckEdge
    | Admit
    | WarmUp
    | WriteConfig
    | TestConfig
    | SwitchRoute
    | VerifyRoute
    | Drain
    | Bake
    | Tally
)
Effect = (
    Write
    | After
    | AdmitWorker
    | StartWorker
    | StopWorker
    | StartEdge
    | StopEdge
    | Route
    | AwaitHeld
    | CancelStep
    | Exit
    | StepEffect
)
