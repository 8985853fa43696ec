"""The engine's vocabulary: frozen values that cross its boundary."""

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Message:
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    messages: tuple[Message, ...]
    max_tokens: int
    sampling: Sampling = Sampling()


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Timings:
    queue_seconds: float
    prefill_seconds: float
    first_token_seconds: float
    decode_seconds: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Token:
    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    reason: FinishReason
    usage: Usage
    timings: Timings


Event = Token | Finished


@dataclass(frozen=True, slots=True)
class EngineOptions:
    context_tokens: int
    slots: int
    threads: int
    gpu_layers: int | None  # None: all where the build can offload, none elsewhere
    kv_cache: Literal["f16", "q8_0"]
    queue_limit: int
    background: bool = False  # leave the processors to others until clients are to be served


@dataclass(frozen=True, slots=True)
class ModelInfo:
    architecture: str
    description: str
    context_tokens: int
    n_ctx_train: int
    mapped_bytes: int
    copied_bytes: int
    repacked: bool
    load_seconds: float
    device_bytes: int = 0  # in a GPU's own memory


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What liveness is judged by. `last_decode_age_s` is None while there is nothing to decode.

    `prefilling`: the step under way carries prompt tokens. `waiting` has also those who wait for their user's turn.
    """

    alive: bool
    in_flight: int
    waiting: int
    prefilling: bool
    last_decode_age_s: float | None
    oldest_wait_s: float | None
    longest_left_s: float | None = None  # until all that decode are done, if they use all their tokens at their pace
