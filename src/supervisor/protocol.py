"""The control API's vocabulary: what may be asked on the Unix socket and what is answered.

Both ends import this module and nothing else of each other, so it stays light: no I/O, no server, no client.
Requests and replies are JSON objects; operations that take time answer with one JSON event a line, the last of
which is `Finished`. An error is `{"error": {"type", "message", "code"}}` at both HTTP and stream level.
"""

from enum import IntEnum
from typing import Annotated, Any, Literal

import msgspec

# `as` re-exports them: `modelsvc` may import this module, but nothing of the core.
from supervisor.core.state import Color as Color
from supervisor.core.state import DeploymentKind as DeploymentKind
from supervisor.core.state import Outcome as Outcome
from supervisor.core.state import StepState as StepState

API_PREFIX = "/v1"
CONFIG_ENV = "MODELSVC_CONFIG"
HOME_ENV = "MODELSVC_HOME"

# The `[model]` keys that `ctl deploy --set` may change; the daemon validates the values.
SETTABLE_KEYS = (
    "model.path",
    "model.context_tokens",
    "model.slots",
    "model.threads",
    "model.gpu_layers",
    "model.kv_cache",
    "model.queue_limit",
)

SettingValue = str | int | float | bool


class ExitCode(IntEnum):
    """What `modelsvc` commands exit with."""

    DONE = 0
    FAILED = 1  # tried, failed, and rolled back
    MISUSE = 2  # wrong arguments, configuration or input
    UNREACHABLE = 3  # no daemon answers
    REFUSED = 4  # understood, but not done; nothing changed
    TIMED_OUT = 5  # gave up waiting


ErrorType = Literal["failed", "invalid_request", "not_found", "refused", "timed_out", "unavailable"]

EXIT_CODES: dict[str, ExitCode] = {
    "failed": ExitCode.FAILED,
    "invalid_request": ExitCode.MISUSE,
    "not_found": ExitCode.MISUSE,
    "refused": ExitCode.REFUSED,
    "timed_out": ExitCode.TIMED_OUT,
    "unavailable": ExitCode.UNREACHABLE,
}

HTTP_STATUS: dict[str, int] = {
    "failed": 500,
    "invalid_request": 400,
    "not_found": 404,
    "refused": 409,
    "timed_out": 504,
    "unavailable": 503,
}


class ProtocolError(ValueError):
    """A request that cannot be meant; the message says what to write instead."""


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every message: immutable, and closed to keys nobody knows."""


# --- requests -------------------------------------------------------------------------------------------------------


class DeployRequest(Struct, frozen=True):
    """POST /v1/deployments. Absent fields keep the value of the active release."""

    model: str | None = None  # absolute path of a GGUF file
    settings: dict[str, SettingValue] = {}  # dotted `[model]` keys, as in SETTABLE_KEYS
    in_place: bool = False  # hold requests and stop the old worker first: for what does not fit beside it
    fast: bool = False  # only if it was prewarmed


class PrewarmRequest(Struct, frozen=True):
    """POST /v1/prewarm. Absent fields keep the value of the active release."""

    model: str | None = None
    settings: dict[str, SettingValue] = {}


class StopRequest(Struct, frozen=True):
    """POST /v1/workers/{color}/stop. The active worker is stopped only with `force`."""

    force: bool = False


# --- replies --------------------------------------------------------------------------------------------------------


class ErrorBody(Struct, frozen=True):
    """The inner object of an error: `type` decides exit code and HTTP status, `code` names the exact case."""

    type: ErrorType
    message: str
    code: str


class ErrorReply(Struct, frozen=True):
    """Any 4xx or 5xx answer, and the last line of a stream that cannot go on."""

    error: ErrorBody


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
    progress: str | None = None  # the worker's own last STATUS line
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


class History(Struct, frozen=True):
    """GET /v1/history, newest first."""

    deployments: list[DeploymentStatus]


class AccountRow(Struct, frozen=True):
    """A line of the memory account."""

    what: str
    bytes: int


class AccountReport(Struct, frozen=True):
    """Rows that add up to `sum_bytes`, and what they may add up to; `short_bytes` is 0 when it fits."""

    rows: list[AccountRow]
    sum_bytes: int
    limit: str
    limit_bytes: int
    short_bytes: int


class ForecastReport(Struct, frozen=True):
    """What a worker will need: `private_bytes` is the sum of the others without the weights."""

    private_bytes: int
    kv_bytes: int
    compute_bytes: int
    base_bytes: int
    correction_bytes: int  # by what earlier workers measured
    weights_bytes: int
    basis: str


class Plan(Struct, frozen=True):
    """POST /v1/plan: what a deployment would be, and whether it would be admitted. Nothing is changed."""

    admitted: bool
    code: str  # empty when admitted
    reason: str  # what a deployment would be refused with
    release: int  # it would have
    model_path: str
    model_sha256: str
    settings: dict[str, SettingValue]
    changed: dict[str, list[Any]]  # setting: [as it serves, as planned]
    in_place: bool
    forecast: ForecastReport
    account: AccountReport


class ProcessReport(Struct, frozen=True):
    """A process, or nginx's group of them. PSS on Linux only."""

    who: str
    pids: list[int]
    rss_bytes: int
    uss_bytes: int
    private_bytes: int  # what the ledger counts: without pages of the model file
    pss_bytes: int | None


class ModelReport(Struct, frozen=True):
    """A model file, counted once however many map it."""

    name: str
    size_bytes: int
    mapped_by: list[str]


class ObservationReport(Struct, frozen=True):
    """What a deployment's worker held after its warm-up."""

    model_sha256: str
    architecture: str
    settings: dict[str, Any]
    package_version: str
    formula_bytes: int
    measured_bytes: int


class MemoryReport(Struct, frozen=True):
    """GET /v1/memory."""

    budget_bytes: int
    used_bytes: int
    shared_bytes: int  # of them: model files
    available_bytes: int  # that the machine can still give
    available_of: str  # the machine, or the cgroup that allows less
    processes: list[ProcessReport]
    models: list[ModelReport]
    forecast: ForecastReport | None  # of a standby with the active release
    observations: list[ObservationReport]  # newest first


class Explanation(Struct, frozen=True):
    """GET /v1/deployments/{number}/explanation: a deployment with the release it brought and the one before.

    `earlier`: what was found when the release was last admitted and warmed up, by step; a warm one skips these steps.
    """

    deployment: DeploymentStatus
    release: ReleaseStatus | None
    previous: ReleaseStatus | None
    earlier: dict[str, dict[str, Any]] = {}


class LogLines(Struct, frozen=True):
    """GET /v1/logs."""

    source: str  # supervisor, blue, green, edge
    lines: list[str]


# --- stream events --------------------------------------------------------------------------------------------------


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


# --- validators, used at both ends ----------------------------------------------------------------------------------


def parse_assignment(text: str) -> tuple[str, SettingValue]:
    """Read `--set` text such as `model.context_tokens=8192` into its dotted key and its value.

    The value is read as TOML (8192, true, "q8_0"); what is no TOML value counts as a bare string.
    Raises ProtocolError when there is no `=` or the key is not one of SETTABLE_KEYS.
    """
    import tomllib  # costs `ctl status` 15 ms, and only `--set` needs it

    key, equals, raw = (part.strip() for part in text.partition("="))
    if not equals or not raw:
        raise ProtocolError(f"{text!r} is not a setting: write KEY=VALUE, such as model.context_tokens=8192")
    check_settable(key)
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return key, raw
    if not isinstance(value, str | int | float | bool):
        raise ProtocolError(f"{key}: {raw} is not a single value")
    return key, value


def check_settable(key: str) -> None:
    """Raise ProtocolError unless a deployment may change `key`."""
    if key not in SETTABLE_KEYS:
        raise ProtocolError(f"{key!r} cannot be set by a deployment; these can: {', '.join(SETTABLE_KEYS)}")


def decode_event(line: str | bytes) -> StreamEvent:
    """One line of a stream as its event. Raises msgspec.DecodeError on anything else."""
    event: StreamEvent = msgspec.json.decode(line, type=StreamEvent)
    return event


def encode(message: Any) -> bytes:
    """A message as one line of JSON, without the newline."""
    return msgspec.json.encode(message)
