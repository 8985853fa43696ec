"""The forecast of a worker's memory, against figures worked out by hand."""

from dataclasses import replace

import pytest

from supervisor.core.ledger import (
    BASE_BYTES,
    Forecast,
    ModelShape,
    Observation,
    Subject,
    corrected,
    forecast,
    mb,
)

SMOL = ModelShape(
    architecture="llama",
    size_bytes=1_060_000_000,
    blocks=24,
    embedding=2048,
    heads_kv=32,
    key_length=64,
    value_length=64,
    feed_forward=8192,
    vocabulary=49152,
    context_tokens=8192,
)


@pytest.mark.parametrize(
    ("context", "kind", "expected"),
    [
        (2048, "f16", 402_653_184),  # 24 blocks x 2048 tokens x 32 heads x (64 + 64) x 2 bytes
        (8192, "f16", 1_610_612_736),
        (2048, "q8_0", 213_909_504),  # 34 bytes for 32 elements
    ],
)
def test_the_kv_cache(context: int, kind: str, expected: int) -> None:
    """SmolLM2-1.7B: 24 layers, 32 key-value heads, 64 wide each."""
    assert forecast(SMOL, context, kind).kv_bytes == expected


def test_grouped_query_attention_needs_less() -> None:
    """The cache holds key-value heads, not query heads."""
    grouped = ModelShape("llama", 1, 32, 4096, 8, 128, 128, 14336, 128256, 8192)
    assert forecast(grouped, 4096, "f16").kv_bytes == 536_870_912  # 32 x 4096 x 8 x 256 x 2


def test_compute_and_base() -> None:
    """One micro-batch of 256 tokens: 256 x (4 x 8192 x 4 + 2048 x 2) bytes, 33 MiB; the weights are the file."""
    needed = forecast(SMOL, 2048, "f16")

    assert needed.compute_bytes == 256 * (131_072 + 4096) == 34_603_008
    assert needed.base_bytes == BASE_BYTES
    assert needed.weights_bytes == 1_060_000_000
    assert needed.private_bytes == 402_653_184 + 34_603_008 + BASE_BYTES


# --- corrected by what was measured -----------------------------------------------------------------------------------

FORMULA = Forecast(kv_bytes=400, compute_bytes=40, base_bytes=60, weights_bytes=1000)
SETTINGS = {"context_tokens": 2048, "slots": 4, "kv_cache": "f16", "gpu_layers": "auto"}
SUBJECT = Subject("aa", "llama", "1.0", SETTINGS)


def seen(residual: int, **changes: object) -> Observation:
    """A worker that held `residual` more than the formula said; `changes` tell it from SUBJECT."""
    return Observation(replace(SUBJECT, **changes), 500, 500 + residual)  # type: ignore[arg-type]


def test_without_measurements_the_formula_stands() -> None:
    """And says so."""
    assert corrected(FORMULA, SUBJECT, []) == FORMULA
    assert (FORMULA.basis, FORMULA.private_bytes) == ("formula", 500)


def test_the_same_model_and_settings_are_believed_first() -> None:
    """Whatever others measured later."""
    larger = {**SETTINGS, "context_tokens": 8192}
    found = corrected(FORMULA, SUBJECT, [seen(-25), seen(90, settings=larger), seen(70, model_sha256="bb")])

    assert (found.correction_bytes, found.private_bytes, found.formula_bytes) == (-25, 475, 500)
    assert found.basis == "same model and settings, measured 1 time(s)"


def test_then_the_same_model_then_its_architecture() -> None:
    """With the residual, for another context or model has another formula."""
    other = {**SETTINGS, "context_tokens": 8192}
    kin = [seen(30, settings=other), seen(-10, model_sha256="bb")]

    assert corrected(FORMULA, SUBJECT, kin).private_bytes == 530
    assert corrected(FORMULA, SUBJECT, kin).basis.startswith("same model, ")
    assert corrected(FORMULA, SUBJECT, kin[1:]).private_bytes == 490
    assert corrected(FORMULA, SUBJECT, kin[1:]).basis.startswith("same architecture (llama)")


@pytest.mark.parametrize(
    "stranger",
    [
        seen(99, package_version="0.9"),
        seen(99, model_sha256="bb", architecture="gemma"),
        seen(99, settings={**SETTINGS, "gpu_layers": 0}),
        seen(99, model_sha256="bb", settings={**SETTINGS, "gpu_layers": 0}),
    ],
    ids=["version", "architecture", "layers", "both"],
)
def test_strangers_are_not_believed(stranger: Observation) -> None:
    """Another version's libraries, another kind of model, or weights on another device."""
    assert corrected(FORMULA, SUBJECT, [stranger]) == FORMULA


def test_the_median_of_the_last_few() -> None:
    """One odd measurement is outvoted, and old ones are forgotten."""
    assert corrected(FORMULA, SUBJECT, [seen(10), seen(900), seen(20)]).correction_bytes == 20
    assert corrected(FORMULA, SUBJECT, [*[seen(900)] * 9, *[seen(5)] * 5]).correction_bytes == 5


def test_another_context_takes_off_a_share_of_the_base_at_most() -> None:
    """What a huge context left untouched says nothing about a small one."""
    huge = {**SETTINGS, "context_tokens": 1_000_000}
    assert corrected(FORMULA, SUBJECT, [seen(-80, settings=huge)]).correction_bytes == -30
    assert corrected(FORMULA, SUBJECT, [seen(-80)]).correction_bytes == -80


def test_a_correction_never_eats_the_cache() -> None:
    """A nonsense measurement takes compute and base at most."""
    assert corrected(FORMULA, SUBJECT, [seen(-490)]).private_bytes == 400


def test_a_header_as_the_inspector_reports_it() -> None:
    """Keys of its own, and figures that are absent count as nothing."""
    shape = ModelShape.from_facts({"architecture": "llama", "block_count": 24, "head_count_kv": 32, "size_bytes": 9})

    assert (shape.architecture, shape.blocks, shape.heads_kv, shape.size_bytes) == ("llama", 24, 32, 9)
    assert (shape.embedding, shape.vocabulary) == (0, 0)
    assert ModelShape.from_facts({"block_count": None, "vocabulary_size": "many"}).blocks == 0


def test_bytes_for_people() -> None:
    """Units of 10^6, with separators."""
    assert [mb(0), mb(1_499_999), mb(3_344_000_000)] == ["0 MB", "1 MB", "3,344 MB"]
