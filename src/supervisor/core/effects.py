"""What is to be done: frozen orders to the executor.

A step effect carries a token; the executor answers with StepSucceeded or StepFailed of the same token.
"""

from dataclasses import dataclass

from supervisor.core.events import Event
from supervisor.core.records import Record
from supervisor.core.state import Change, Color


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

    In the `background` it leaves the processors to the other colour until it gets requests of clients itself.
    """

    color: Color
    worker_id: str
    release: int
    background: bool = False


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
    """Make release `number` from `change` on top of release `base`, or check the recorded `release` again."""

    token: int
    to_color: Color
    change: Change
    base: int | None
    number: int
    release: int | None = None


@dataclass(frozen=True, slots=True)
class WarmUp:
    """Real inference on the worker; its answers may be compared with those of `active`."""

    token: int
    color: Color
    active: Color | None = None


@dataclass(frozen=True, slots=True)
class WriteRoute:
    """Publish the include file that names `color`."""

    token: int
    color: Color


@dataclass(frozen=True, slots=True)
class RestoreRoute:
    """Publish the include file that names the colour from before, or nobody."""

    token: int
    color: Color | None


@dataclass(frozen=True, slots=True)
class TestConfig:
    """Have nginx test its configuration."""

    token: int


@dataclass(frozen=True, slots=True)
class ReloadEdge:
    """Have nginx read its configuration, losing no connection."""

    token: int


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


StepEffect = (
    CheckWorker
    | CheckEdge
    | Admit
    | WarmUp
    | WriteRoute
    | RestoreRoute
    | TestConfig
    | ReloadEdge
    | VerifyRoute
    | Drain
    | Bake
)
Effect = Write | After | StartWorker | StopWorker | StartEdge | StopEdge | CancelStep | Exit | StepEffect
