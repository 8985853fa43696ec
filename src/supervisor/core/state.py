"""What the supervisor knows: frozen values, replaced and never changed.

Wanted and actual are kept apart: `Slot.wanted` is what should be, `Slot.phase` what is, `Slot.pid` what was spawned.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from supervisor.core.lifecycle import Phase
from supervisor.core.steps import Step, StepState

__all__ = [
    "BOOT_REQUEST",
    "FAILOVER_REQUEST",
    "REPLACE_REQUEST",
    "RESUMED_REQUEST",
    "REWARM_REQUEST",
    "WATCH_REQUEST",
    "Boot",
    "Change",
    "Clearing",
    "Color",
    "Deployment",
    "DeploymentKind",
    "Displaced",
    "EdgePhase",
    "Handover",
    "Outcome",
    "Policy",
    "SettingValue",
    "Slot",
    "State",
    "StepState",
    "Undo",
]

SettingValue = str | int | float | bool


class Color(StrEnum):
    """A worker slot with a fixed port."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> "Color":
        return Color.GREEN if self is Color.BLUE else Color.BLUE


class DeploymentKind(StrEnum):
    """Why the active colour changes."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    SWAP = "swap"
    PREWARM = "prewarm"  # steps 1 to 6: it leaves the standby warm, and the active colour as it is
    FAILOVER = "failover"  # the active worker crashed, and the standby is warm
    REPLACE = "replace"  # the active worker holds too much memory, or what is configured no more: its release anew


class Outcome(StrEnum):
    """How an operation ended: `rolled_back` was undone, `refused` never began, `failed` left nothing to go back to."""

    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"
    FAILED = "failed"


class EdgePhase(StrEnum):
    """Whether nginx runs."""

    ABSENT = "absent"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class Undo(StrEnum):
    """What takes back a step that has begun."""

    HOLD = "hold"
    SWITCH_BACK = "switch_back"
    DRAIN_STANDBY = "drain_standby"
    STOP_STANDBY = "stop_standby"
    START_OLD = "start_old"


class Clearing(StrEnum):
    """How far an in-place deployment is with making room: requests held, the old worker drained, then stopped."""

    HOLD = "hold"
    DRAIN = "drain"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Change:
    """What a deployment alters in the release it starts from; `path` and `settings` hold only what was asked."""

    path: str | None = None
    settings: Mapping[str, SettingValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """The configured limits that decisions depend on, in seconds and bytes."""

    ready_timeout_s: float = 180.0
    drain_timeout_s: float = 300.0
    bake_s: float = 10.0
    stop_timeout_s: float = 30.0
    keep_previous: bool = True
    restart_delay_s: float = 0.2
    restart_delay_limit_s: float = 30.0
    boot_delay_limit_s: float = 300.0
    stable_after_s: float = 60.0
    crash_limit: int = 6  # crashes in a row, after which a worker is given up
    worker_limit_bytes: int = 2_000_000_000
    budget_bytes: int = 8_000_000_000
    kill_factor: float = 1.5  # of worker_limit_bytes: no time is left for a replacement
    looks_before_action: int = 3  # in a row
    replacement_rest_s: float = 600.0
    takeover_rest_s: float = 5.0

    @property
    def patience_s(self) -> float:
        """For whom running answers are waited for at the end: nginx, or a worker that may still have streams."""
        return max(self.drain_timeout_s, self.stop_timeout_s)

    def pause_s(self, attempt: int) -> float:
        """The pause before restart number `attempt` (from 1): doubled each time, up to a limit."""
        return min(self._growing_s(attempt), self.restart_delay_limit_s)

    def boot_pause_s(self, attempt: int) -> float:
        """As `pause_s`, for a whole deployment, which costs more than a restart and is on record each time."""
        return min(self._growing_s(attempt), self.boot_delay_limit_s)

    def _growing_s(self, attempt: int) -> float:
        return self.restart_delay_s * 2.0 ** min(attempt - 1, 32)


@dataclass(frozen=True, slots=True)
class Slot:
    """One colour: what should run there and what does.

    `release` outlives the process, so that a stopped slot can be started again. `request` is the operator's request
    that waits for the slot to become ready or absent.
    """

    color: Color
    wanted: bool = False
    phase: Phase = Phase.ABSENT
    release: int | None = None
    worker_id: str | None = None
    pid: int | None = None
    progress: str | None = None
    restarts: int = 0
    request: str | None = None
    admitting: int | None = None  # the release that `request` wants here, while it is asked whether that has room
    condemned: str = ""  # why it is being ended, if nobody asked for that
    unwell: int = 0  # looks in a row at which it was not well
    swollen: int = 0  # looks in a row at which it held too much memory
    outdated: str = ""  # what it was started with and is configured otherwise now; it is to be replaced

    @property
    def serves(self) -> bool:
        return self.phase is Phase.READY and not self.condemned


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment under way. `undo` is what remains to take back; it is empty while all goes well."""

    id: int
    kind: DeploymentKind
    request: str
    from_color: Color | None
    to_color: Color
    previous_release: int | None = None  # the state's, to go back to
    change: Change = field(default_factory=Change)
    release: int | None = None
    warm: bool = False  # the standby already runs: steps 3 to 6 are not needed
    in_place: bool = False  # the old worker is stopped before the new one is started
    renews: int | None = None  # the release that the new one is made of, with hosts and origins as configured
    clearing: Clearing | None = None
    cancelled_by: str | None = None  # the request that asked for it
    step: Step = Step.CHECK_ACTIVE
    token: int = 0  # of the effect whose result is awaited
    undo: tuple[Undo, ...] = ()
    undoing: bool = False
    retiring: bool = False  # baked: the old worker is being stopped
    refused: bool = False
    transient: bool = False  # failed for a reason that may go away by itself
    stuck: bool = False  # the edge could not be brought back
    instead: "Boot | None" = None  # deployed when this one fails and nothing serves; None: this one again
    reason: str = ""

    @property
    def is_baked(self) -> bool:
        """The new colour is on trial no longer."""
        return self.retiring or (self.step is Step.RECORD and self.kind is not DeploymentKind.PREWARM)


@dataclass(frozen=True, slots=True)
class Boot:
    """What the supervisor deploys by itself when it starts and finds nothing serving."""

    color: Color
    change: Change = field(default_factory=Change)
    release: int | None = None  # recorded earlier; None: made from `change`


@dataclass(frozen=True, slots=True)
class Displaced:
    """What a standby that had to go was good for, to be started again: being deployed, or else going back to."""

    release: int
    prewarmed: bool


@dataclass(frozen=True, slots=True)
class Handover:
    """The supervisor is to be replaced by the next one; `request` asked for it.

    `answering`: nothing is under way any more, but requests that are held.
    """

    request: str
    answering: bool = False


BOOT_REQUEST = "boot"
FAILOVER_REQUEST = "failover"
REPLACE_REQUEST = "replace"
RESUMED_REQUEST = "resumed"
REWARM_REQUEST = "rewarm"
WATCH_REQUEST = "watch"


@dataclass(frozen=True, slots=True)
class State:
    """Everything decisions are made from. The counters give out numbers that are never used twice."""

    slots: Mapping[Color, Slot] = field(default_factory=lambda: {color: Slot(color) for color in Color})
    policy: Policy = field(default_factory=Policy)
    active: Color | None = None
    stands_in: bool = False  # the active colour is not the one on record, which is to be booted
    routed: Color | None = None  # what the edge was last told to route to; None: requests are held
    paused: bool = False
    prewarmed: int | None = None  # the release that is warm in the standby, to be deployed
    prewarm_failures: int = 0  # crashes of its worker in a row
    prewarm_lost: str = ""  # why what was prewarmed last is not any more, where nobody asked for that
    previous_release: int | None = None
    served_release: int | None = None  # by the supervisor before this one
    edge: EdgePhase = EdgePhase.ABSENT
    edge_pid: int | None = None  # of the nginx that was started, None for an adopted one
    edge_restarts: int = 0
    deployment: Deployment | None = None
    resumed: Deployment | None = None  # an earlier supervisor's, to go on with as soon as the edge runs
    boot: Boot | None = None  # deployed as soon as the edge runs
    boot_failures: int = 0  # in a row
    boot_due: int = 0  # the failure after which it is tried again when the pause is over; 0: it is not
    over_budget: int = 0  # looks in a row
    replacement_rests: bool = False  # one was tried lately
    superseded: str = ""  # hosts and origins of the release that serves, where they are configured otherwise now
    shunned: str | None = None  # the standby that could not take over just now
    displaced: Displaced | None = None
    rejected: int | None = None  # the release that was rolled back from last
    shutdown: str | None = None  # the request that ends the supervisor
    handover: Handover | None = None
    last_release: int = 0
    last_deployment: int = 0
    last_worker: int = 0
    last_token: int = 0
    # Slots before and after each change of phase that is not written down yet.
    moves: tuple[tuple[Slot, Slot], ...] = ()

    def with_slot(self, color: Color, **changes: object) -> "State":
        """The same state with one slot changed."""
        before = self.slots[color]
        slot = replace(before, **changes)  # type: ignore[arg-type]  # checked by Slot itself
        moves = self.moves if slot.phase is before.phase else (*self.moves, (before, slot))
        return replace(self, slots={**self.slots, color: slot}, moves=moves)

    @property
    def current(self) -> Deployment:
        """The deployment under way. Raises ValueError when there is none: the caller should have looked."""
        if self.deployment is None:
            raise ValueError("no deployment is under way")
        return self.deployment

    @property
    def kept_color(self) -> Color | None:
        """Whose worker is started again when it ends: the active colour, or the one that a deployment goes back to."""
        running = self.deployment
        return running.from_color if running and not running.is_baked else self.active

    @property
    def active_slot(self) -> Slot | None:
        return self.slots[self.active] if self.active else None

    @property
    def standby(self) -> Slot | None:
        """The slot beside the active one; None while nothing is active."""
        return self.slots[self.active.other] if self.active else None

    @property
    def warm_release(self) -> int | None:
        """What was prewarmed, if its worker is still ready to take over."""
        standby = self.standby
        ready = standby is not None and standby.serves and standby.release == self.prewarmed
        return self.prewarmed if ready else None

    @property
    def active_release(self) -> int | None:
        return self.active_slot.release if self.active_slot else None
