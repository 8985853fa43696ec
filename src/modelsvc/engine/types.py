"""The engine's vocabulary: frozen values that cross its boundary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Message:
    """`fields`: what else the chat template may look at (`tool_calls`, `tool_call_id`, `name`)."""

    role: str
    content: str
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChatPrompt:
    """Rendered by the model's chat template. `begun`: what the answer to the messages begins with already.

    `shorten`: leave out the oldest turns that do not fit.
    """

    messages: tuple[Message, ...]
    tools: tuple[Mapping[str, Any], ...] = ()
    begun: str = ""
    shorten: bool = False


@dataclass(frozen=True, slots=True)
class TextPrompt:
    """Continued as it is: text, or token ids."""

    content: str | tuple[int, ...]


Prompt = ChatPrompt | TextPrompt


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Penalties and biases are in logits; `top_k` 0 keeps all.

    `frequency_penalty` and `presence_penalty` count the answer's tokens; `repeat_penalty` (1 is none) divides the
    logits of the last 64 tokens, the prompt's among them. `grammar` (GBNF) allows only what it derives.
    It is to come from `engine.grammar`: one that a client wrote could hang llama.cpp, which reads it.
    """

    temperature: float = 0.7
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    repeat_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    grammar: str | None = None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """`max_tokens` None: as many as the context holds. `logprobs`: how many alternatives are told beside each token;
    None tells no probabilities at all. `timeout_s`: from submission; an answer that has begun then ends with "length".
    """

    prompt: Prompt
    max_tokens: int | None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """The place of a text in the model's space of meanings, rather than an answer to it."""

    content: str | tuple[int, ...]
    timeout_s: float | None = None


Request = GenerationRequest | EmbeddingRequest


@dataclass(frozen=True, slots=True)
class Usage:
    """`cached_tokens`: how many of the prompt's were computed already."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    queue_seconds: float
    prefill_seconds: float
    first_token_seconds: float
    decode_seconds: float
    tokens_per_second: float


@dataclass(frozen=True, slots=True)
class Logprob:
    """A token's bytes, and the natural logarithm of its probability by the model alone (temperature 1, all tokens)."""

    piece: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class Drawn:
    """A token that was drawn, and the most probable ones in its place.

    `at`: where in the answer's text it begins, or the character does of which it is a later part.
    """

    chosen: Logprob
    top: tuple[Logprob, ...] = ()
    at: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the answer: whole characters, and nothing that may become a stop string.

    `drawn` has the tokens that were drawn since the last piece, when the request asked for `logprobs`.
    """

    text: str
    drawn: tuple[Drawn, ...] = ()


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
    embeds: bool = False  # whether it was made to tell embeddings too


@dataclass(frozen=True, slots=True)
class StepTaken:
    """One decode: `seconds` for `tokens`, of which `answers` went on with an answer and the others were of prompts.

    `gaps`: for each token drawn after it but a request's first, the seconds since the one before.
    """

    seconds: float
    tokens: int
    answers: int
    gaps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What liveness is judged by. `last_decode_age_s` is None while there is nothing to decode.

    `prefilling`: the step under way carries prompt tokens. `failed_steps`: how many of the latest were not computed.
    `waiting` has also those who wait for their user's turn. `cached_tokens`: what the KV cache holds, for requests that
    run and, until its place is needed, of ended ones.
    """

    alive: bool
    slots: int
    cached_tokens: int
    in_flight: int
    waiting: int
    prefilling: bool
    last_decode_age_s: float | None
    oldest_wait_s: float | None
    failed_steps: int = 0
    longest_left_s: float | None = None  # until all that decode are done, if they use all their tokens at their pace
