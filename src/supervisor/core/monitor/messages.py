"""What is known of the managed Prometheus, what can happen to it (events), and what can be done (effects)."""

from dataclasses import dataclass

from supervisor.core.monitor.lifecycle import Phase


@dataclass(frozen=True, slots=True)
class Identity:
    """Which process it is; `started_at` as `processes.started_at` has it."""

    pid: int
    started_at: float


@dataclass(frozen=True, slots=True)
class Monitor:
    """`on_trial`: whoever asked for it waits, and its first failure is the answer."""

    wanted: bool = False
    phase: Phase = Phase.OFF
    process: Identity | None = None
    on_trial: bool = False
    crowded: bool = False  # stopped because its memory was needed
    crashes: int = 0  # in a row
    starts: int = 0  # so far; tells late timers from the one that counts
    reason: str = ""  # why it does not run although it is wanted


# --- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UpAsked:
    """`monitor up`."""


@dataclass(frozen=True, slots=True)
class DownAsked:
    """`monitor down`."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """A supervisor before this one wanted it; `process` when that still runs."""

    process: Identity | None = None


@dataclass(frozen=True, slots=True)
class Spawned:
    process: Identity


@dataclass(frozen=True, slots=True)
class BecameReady:
    """It answers."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The process is gone, or never came to be."""

    reason: str
    crowded: bool = False  # there was no memory for it: not its fault


@dataclass(frozen=True, slots=True)
class Crowded:
    """Its memory is needed for the service."""

    reason: str


@dataclass(frozen=True, slots=True)
class PauseOver:
    start: int


@dataclass(frozen=True, slots=True)
class RanLong:
    """Since that start, without a crash."""

    start: int


Event = UpAsked | DownAsked | Recalled | Spawned | BecameReady | Ended | Crowded | PauseOver | RanLong


# --- effects ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Spawn it, then report Spawned and BecameReady, or Ended."""


@dataclass(frozen=True, slots=True)
class Follow:
    """As Start, for the process that runs already."""

    process: Identity


@dataclass(frozen=True, slots=True)
class Stop:
    """Have it end, and report Ended."""


@dataclass(frozen=True, slots=True)
class After:
    delay_s: float
    event: Event


@dataclass(frozen=True, slots=True)
class Tell:
    """Keep and tell what is so now."""

    monitor: Monitor


Effect = Start | Follow | Stop | After | Tell
