"""What is: the service, its deployments, its releases, its logs."""

from typing import Annotated, Any

import msgspec

from supervisor.core.outlook import Outlook
from supervisor.core.state import Color, DeploymentKind, Outcome, StepState
from supervisor.protocol.base import Struct
from supervisor.protocol.monitor import MonitorStatus
from supervisor.protocol.settings import SettingValue

SILENT = "does not answer"  # the progress of a ready worker that does not answer its health question


class LastExit(Struct, frozen=True):
    """How a worker's process last ended: exit `code`, or the `signal` that killed it."""

    at: str  # RFC 3339, UTC
    code: int | None
    signal: str | None
    reason: str = ""


class WorkerStatus(Struct, frozen=True):
    """One colour's slot."""

    state: str  # absent, starting, ready, stopping, backoff, failed
    wanted: bool
    port: int
    pid: int | None = None
    worker_id: str | None = None
    release: int | None = None
    progress: str | None = None  # the worker's own last STATUS line, or SILENT
    restarts: int = 0
    in_flight: int | None = None
    rss_bytes: int | None = None
    private_bytes: int | None = None
    pss_bytes: int | None = None  # Linux only
    last_exit: LastExit | None = None
    deaths: list[LastExit] = []  # the last ends nobody asked for, newest first


class EdgeStatus(Struct, frozen=True):
    """The nginx in front."""

    state: str  # absent, running
    listen: str
    pid: int | None
    nginx_version: str
    swap: str  # keepalive_min_timeout, or retire_then_reload
    routes_to: Color | None  # None: requests are held
    paused: bool = False  # held by an operator's word
    waiting: int = 0  # requests held now
    held: int = 0  # since the supervisor started, as the next two
    replayed: int = 0
    given_up: int = 0


class MemoryStatus(Struct, frozen=True):
    """The ledger: `used_bytes` counts each process's private bytes and each shared model file once."""

    budget_bytes: int
    used_bytes: int
    shared_bytes: int


class StepReport(Struct, frozen=True):
    """One of the 13 steps of a deployment."""

    number: Annotated[int, msgspec.Meta(ge=1, le=13)]
    name: str
    title: str
    state: StepState
    seconds: float | None = None
    detail: str = ""
    evidence: dict[str, Any] = {}  # what the step found, by keys of its own


class DeploymentStatus(Struct, frozen=True):
    """A deployment, running or recorded."""

    deployment: int
    kind: DeploymentKind
    release: int | None
    from_color: Color | None
    to_color: Color
    started_at: str
    finished_at: str | None = None
    outcome: Outcome | None = None
    reason: str = ""
    because: str = ""  # what the watch on files saw, where that asked for it
    seconds: float | None = None
    steps: list[StepReport] = []


class ReleaseStatus(Struct, frozen=True):
    """What a worker runs, in short."""

    number: int
    model_path: str
    model_sha256: str
    model_size_bytes: int
    settings: dict[str, SettingValue]
    package_version: str


class WatchStatus(Struct, frozen=True):
    """The watch on files: what it made of them when it last looked."""

    verdict: str  # in_accord, asks, deploys, waits, settled, rejected; empty before the first look
    changes: list[str] = []  # what is wanted and does not serve, a phrase each
    reason: str = ""  # why that is not deployed now
    needs_restart: list[str] = []  # edited keys that are read at the start only
    retry_at: str | None = None  # when it is looked at again by itself
    retry_of: int | None = None  # the refused deployment that is tried again then


class Status(Struct, frozen=True):
    """GET /v1/status."""

    version: str
    pid: int
    uptime_s: float
    state_dir: str
    config: str | None
    active: Color | None
    release: ReleaseStatus | None
    workers: dict[Color, WorkerStatus]
    edge: EdgeStatus
    memory: MemoryStatus
    deployment: DeploymentStatus | None
    prewarmed: int | None = None  # the release that is warm in the standby, to be deployed
    prewarm_lost: str = ""  # why what was prewarmed last is not any more, where nobody asked for that
    monitor: MonitorStatus | None = None  # the managed Prometheus, in short; None: none is wanted
    watch: WatchStatus | None = None  # None: it is not enabled
    outlook: Outlook | None = None  # None: of a supervisor that did not tell it yet


class History(Struct, frozen=True):
    """GET /v1/history, newest first."""

    deployments: list[DeploymentStatus]


class Explanation(Struct, frozen=True):
    """GET /v1/deployments/{number}/explanation: a deployment with the release it brought and the one before.

    `earlier`: what was found when the release was last admitted and warmed up, by step; a warm one skips these steps.
    `retry_at`: when the watch on files tries it again, where it was refused for a reason that may pass.
    """

    deployment: DeploymentStatus
    release: ReleaseStatus | None
    previous: ReleaseStatus | None
    earlier: dict[str, dict[str, Any]] = {}
    retry_at: str | None = None


class LogLines(Struct, frozen=True):
    """GET /v1/logs."""

    source: str  # supervisor, blue, green, edge, prometheus
    lines: list[str]
    place: str = ""  # behind the last whole line: `after` of the next question
