"""The memory account, and what a deployment would do to it."""

from typing import Any

from supervisor.protocol.base import Struct
from supervisor.protocol.settings import SettingValue


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
    monitor_leaves: bool = False  # it fits only once the managed Prometheus is stopped, which a deployment does


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
