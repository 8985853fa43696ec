"""The memory account: every private byte once per process, every mapped model file once.

A worker's private bytes are forecast from the model's header and the settings:

    KV cache   blocks x context x (K width + V width) x bytes per element
    + compute  micro-batch x (4 x feed-forward x 4 bytes for activations + context x 2 bytes for the mask)
    + base     interpreter, libraries and server

The compute term is what llama.cpp reserves for a llama (33.0 MiB for SmolLM2-1.7B's shape, micro-batch 256, context
2048); it touches less of it until a prompt fills a micro-batch.

The weights are mapped from the file and shared, so they count once for all processes that map the same file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

KV_BYTES_PER_ELEMENT = {"f16": 2.0, "q8_0": 34 / 32}  # q8_0: 32 elements and a 2-byte scale in 34 bytes
BASE_BYTES = 60_000_000
MICRO_BATCH_TOKENS = 256  # the engine's
ACTIVATION_BYTES = 4
MASK_BYTES = 2


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a GGUF header says about the memory a model needs."""

    architecture: str
    size_bytes: int
    blocks: int
    embedding: int
    heads_kv: int
    key_length: int
    value_length: int
    feed_forward: int
    vocabulary: int
    context_tokens: int  # the longest it was trained for

    @classmethod
    def from_facts(cls, facts: Mapping[str, object]) -> "ModelShape":
        """Read the report of `modelsvc.engine.inspect`; absent figures count as 0."""

        def number(key: str) -> int:
            value = facts.get(key)
            return value if isinstance(value, int) else 0

        return cls(
            architecture=str(facts.get("architecture", "")),
            size_bytes=number("size_bytes"),
            blocks=number("block_count"),
            embedding=number("embedding_length"),
            heads_kv=number("head_count_kv"),
            key_length=number("key_length"),
            value_length=number("value_length"),
            feed_forward=number("feed_forward_length"),
            vocabulary=number("vocabulary_size"),
            context_tokens=number("context_length"),
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a worker will need, in bytes."""

    kv_bytes: int
    compute_bytes: int
    base_bytes: int
    weights_bytes: int

    @property
    def private_bytes(self) -> int:
        return self.kv_bytes + self.compute_bytes + self.base_bytes


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process holds: private bytes, and the model file it maps as (identity, bytes)."""

    private_bytes: int
    model: tuple[str, int] | None = None


def forecast(shape: ModelShape, context_tokens: int, kv_cache: str) -> Forecast:
    """The memory of a worker that serves `shape` with a KV cache for `context_tokens`."""
    width = shape.heads_kv * (shape.key_length + shape.value_length)
    kv = shape.blocks * context_tokens * width * KV_BYTES_PER_ELEMENT[kv_cache]
    feed_forward = shape.feed_forward or 4 * shape.embedding
    compute = MICRO_BATCH_TOKENS * (4 * feed_forward * ACTIVATION_BYTES + context_tokens * MASK_BYTES)
    return Forecast(round(kv), round(compute), BASE_BYTES, shape.size_bytes)


def total(usages: Iterable[Usage]) -> tuple[int, int]:
    """(all bytes used, those of them that are shared model files)."""
    usages = tuple(usages)
    shared = sum(dict(usage.model for usage in usages if usage.model).values())
    return sum(usage.private_bytes for usage in usages) + shared, shared


def refusal(needed: Forecast, model: str, usages: Iterable[Usage], budget_bytes: int, worker_limit_bytes: int) -> str:
    """Why a worker with this forecast cannot be admitted beside `usages`, with the numbers; empty when it can."""
    usages = tuple(usages)
    used, _ = total(usages)
    mapped = any(usage.model and usage.model[0] == model for usage in usages)
    added = needed.private_bytes + (0 if mapped else needed.weights_bytes)
    if needed.private_bytes > worker_limit_bytes:
        return (
            f"the worker would need {mb(needed.private_bytes)} of its own (KV cache {mb(needed.kv_bytes)}, compute"
            f" {mb(needed.compute_bytes)}, base {mb(needed.base_bytes)}), but memory.worker_limit_gb allows"
            f" {mb(worker_limit_bytes)}: lower model.context_tokens, or raise the limit"
        )
    if used + added > budget_bytes:
        weights = "mapped already" if mapped else mb(needed.weights_bytes)
        return (
            f"the standby would need {mb(added)} (own {mb(needed.private_bytes)}, weights {weights}) beside"
            f" {mb(used)} in use, but memory.budget_gb allows {mb(budget_bytes)}: it is short of"
            f" {mb(used + added - budget_bytes)}; lower model.context_tokens, or raise the budget"
        )
    return ""


def mb(number: int) -> str:
    """Bytes in units of 10^6, for people."""
    return f"{number / 1e6:,.0f} MB"
