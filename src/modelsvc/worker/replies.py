"""What the worker answers, as types: the OpenAPI document is made of them, and tests hold the answers to it."""

from typing import Literal

import msgspec

from modelsvc.engine.types import Snapshot, Timings
from modelsvc.worker.memory import Memory


class Reply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all: closed to keys nobody knows."""


class TokenCounts(Reply, frozen=True):
    """`cached_tokens`: how many of the prompt's were computed already, for another request."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    total_tokens: int


class Answer(Reply, frozen=True):
    """POST /chat; with `stream`, the data of the last event, `done`."""

    response: str
    color: Literal["blue", "green"]
    release: int
    usage: TokenCounts
    finish_reason: Literal["stop", "length"]
    timings: Timings


class SaidMessage(Reply, frozen=True):
    role: Literal["user", "assistant"]
    content: str
    created_at: str  # RFC 3339, UTC


class Conversation(Reply, frozen=True):
    """GET /chat/{user_id}, oldest message first."""

    user_id: str
    messages: list[SaidMessage]


class Deleted(Reply, frozen=True):
    """DELETE /chat/{user_id}: how many messages there were."""

    deleted: int


class Alive(Reply, frozen=True):
    status: Literal["alive"]


class Ready(Reply, frozen=True):
    status: Literal["ready"]


class Fit(Reply, frozen=True):
    """GET /health and /v1/health, in llama-server's words."""

    status: Literal["ok"]


class ModelReport(Reply, frozen=True):
    """The file that the release records, and once it is loaded what is in memory of it."""

    path: str
    sha256: str
    size_bytes: int
    architecture: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType = msgspec.UNSET
    context_tokens: int | msgspec.UnsetType = msgspec.UNSET
    n_ctx_train: int | msgspec.UnsetType = msgspec.UNSET
    mapped_bytes: int | msgspec.UnsetType = msgspec.UNSET
    copied_bytes: int | msgspec.UnsetType = msgspec.UNSET
    device_bytes: int | msgspec.UnsetType = msgspec.UNSET
    repacked: bool | msgspec.UnsetType = msgspec.UNSET
    load_seconds: float | msgspec.UnsetType = msgspec.UNSET
    embeds: bool | msgspec.UnsetType = msgspec.UNSET


class RequestCounts(Reply, frozen=True):
    in_flight: int
    total: int
    failed: int


class Quantiles(Reply, frozen=True):
    """Of recent answers, in seconds; null without any."""

    p50: float | None
    p95: float | None


class LatencyReport(Reply, frozen=True):
    """Answers of the last `window_s`. `recent`: age when the request came, first token, mean time between tokens."""

    window_s: float
    requests: int
    first_token_seconds: Quantiles
    inter_token_seconds: Quantiles
    recent: list[tuple[float, float, float | None]]


class Foreground(Reply, frozen=True):
    """POST /foreground."""

    status: Literal["foreground"]


class Health(Reply, frozen=True):
    """GET /health/deep."""

    color: Literal["blue", "green"]
    worker_id: str
    release: int
    package_version: str
    pid: int
    uptime_s: float
    state: Literal["loading", "ready", "stopping", "failed"]
    model: ModelReport
    memory: Memory
    engine: Snapshot | None
    requests: RequestCounts
    latency: LatencyReport


class ErrorDetail(Reply, frozen=True):
    """`code` names the exact case, `message` tells what to change, `param` which field, if it is one."""

    type: str
    message: str
    code: str
    param: str | None


class ErrorReply(Reply, frozen=True):
    """Every answer of 400 or more."""

    error: ErrorDetail
