"""The memory account: every private byte once per process, every mapped model file once.

A worker's private bytes are forecast from the model's header and the settings:

    KV cache   blocks x context x (K width + V width) x bytes per element
    + compute  micro-batch x (4 x feed-forward x 4 bytes for activations + context x 2 bytes for the mask)
    + base     interpreter, libraries and server

The compute term is what llama.cpp reserves for a llama (33.0 MiB for SmolLM2-1.7B's shape, micro-batch 256, context
2048); it touches less of it until a prompt fills a micro-batch.

What earlier workers measured corrects it (`corrected`): the formula knows the model, the measurements the machine. The
weights are mapped from the file and shared, so they count once for all processes that map the same file: see `account`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median_low

KV_BYTES_PER_ELEMENT = {"f16": 2.0, "q8_0": 34 / 32}  # q8_0: 32 elements and a 2-byte scale in 34 bytes
BASE_BYTES = 60_000_000
MICRO_BATCH_TOKENS = 256  # the engine's
ACTIVATION_BYTES = 4
MASK_BYTES = 2
MATTERING = ("context_tokens", "slots", "kv_cache", "gpu_layers")  # settings by which memory differs
OBSERVATIONS_USED = 5
INHERITED_SHARE = 0.5  # of the base: what another context or model may take off a forecast


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
    """What a worker will need, in bytes. `basis` says what the correction rests on."""

    kv_bytes: int
    compute_bytes: int
    base_bytes: int
    weights_bytes: int
    correction_bytes: int = 0
    basis: str = "formula"

    @property
    def formula_bytes(self) -> int:
        return self.kv_bytes + self.compute_bytes + self.base_bytes

    @property
    def private_bytes(self) -> int:
        return self.formula_bytes + self.correction_bytes


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose memory is forecast: the model, and the settings that matter for it."""

    model_sha256: str
    architecture: str
    package_version: str
    settings: Mapping[str, object] = field(default_factory=dict)  # those of MATTERING


@dataclass(frozen=True, slots=True)
class Observation:
    """What a worker held of its own after its warm-up, and what the formula had said."""

    subject: Subject
    formula_bytes: int
    measured_bytes: int

    @property
    def residual_bytes(self) -> int:
        return self.measured_bytes - self.formula_bytes


def forecast(shape: ModelShape, context_tokens: int, kv_cache: str) -> Forecast:
    """The memory of a worker that serves `shape` with a KV cache for `context_tokens`, by the formula alone."""
    width = shape.heads_kv * (shape.key_length + shape.value_length)
    kv = shape.blocks * context_tokens * width * KV_BYTES_PER_ELEMENT[kv_cache]
    feed_forward = shape.feed_forward or 4 * shape.embedding
    compute = MICRO_BATCH_TOKENS * (4 * feed_forward * ACTIVATION_BYTES + context_tokens * MASK_BYTES)
    return Forecast(round(kv), round(compute), BASE_BYTES, shape.size_bytes)


def corrected(formula: Forecast, subject: Subject, observations: Sequence[Observation]) -> Forecast:
    """`formula`, moved by the median of the last few residuals (measured - formula) of the nearest kin.

    The nearest are workers with the same model and settings; else with the same model; else with the same architecture
    and the same layers on the GPU. Residuals and not measured bytes carry over, since the formula knows what another
    context or another model changes; and from such others no more than a share of the base, for the rest of a residual
    is due to their context. Another version of the package is no kin: its libraries, and maybe its formula, differ.
    `observations` are in the order of time. A correction never takes more than the formula's compute and base.
    """
    ours = [seen for seen in observations if seen.subject.package_version == subject.package_version]
    inheritable = round(INHERITED_SHARE * formula.base_bytes)
    for name, is_kin, limit in _kinships(subject, formula.compute_bytes + formula.base_bytes, inheritable):
        kin = [seen.residual_bytes for seen in ours if is_kin(seen.subject)][-OBSERVATIONS_USED:]
        if kin:
            correction = max(-limit, median_low(kin))
            return replace(formula, correction_bytes=correction, basis=f"{name}, measured {len(kin)} time(s)")
    return formula


def _kinships(
    subject: Subject, own_limit: int, inheritable: int
) -> tuple[tuple[str, Callable[[Subject], bool], int], ...]:
    """From the nearest to the farthest: what it is called, who belongs to it, and how much it may take off."""
    layers = subject.settings.get("gpu_layers")
    return (
        (
            "same model and settings",
            lambda seen: seen.model_sha256 == subject.model_sha256 and seen.settings == subject.settings,
            own_limit,
        ),
        (
            "same model",
            lambda seen: seen.model_sha256 == subject.model_sha256 and seen.settings.get("gpu_layers") == layers,
            inheritable,
        ),
        (
            f"same architecture ({subject.architecture})",
            lambda seen: seen.architecture == subject.architecture and seen.settings.get("gpu_layers") == layers,
            inheritable,
        ),
    )


def mb(number: int) -> str:
    """Bytes in units of 10^6, for people."""
    return f"{number / 1e6:,.0f} MB"
