"""The memory account, against figures worked out by hand."""

import pytest

from supervisor.core.ledger import BASE_BYTES, Forecast, ModelShape, Usage, forecast, mb, refusal, total

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
NEEDS = Forecast(kv_bytes=400_000_000, compute_bytes=100_000_000, base_bytes=100_000_000, weights_bytes=1_000_000_000)
GB = 1_000_000_000


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


def test_two_workers_on_one_file_count_its_weights_once() -> None:
    """Private bytes are summed, shared files are not."""
    one, other = Usage(500, ("/m.gguf", 1000)), Usage(600, ("/m.gguf", 1000))

    assert total([one, other]) == (2100, 1000)
    assert total([one, Usage(600, ("/n.gguf", 3000))]) == (5100, 4000)
    assert total([Usage(5)]) == (5, 0)
    assert total([]) == (0, 0)
    assert total(iter([one, other])) == (2100, 1000)


def test_what_fits_is_not_refused() -> None:
    """To the last byte, beside what runs, weights counted once."""
    beside = [Usage(500_000_000, ("/m.gguf", GB))]

    assert refusal(NEEDS, "/m.gguf", beside, 2_100_000_000, 600_000_000) == ""
    assert refusal(NEEDS, "/other.gguf", beside, 3_100_000_000, 600_000_000) == ""
    assert refusal(NEEDS, "/m.gguf", [], 1_600_000_000, 600_000_000) == ""


def test_a_worker_over_its_limit_is_refused_with_the_numbers() -> None:
    """What it would need, of what, and what is allowed."""
    why = refusal(NEEDS, "/m.gguf", [], 100 * GB, 599_999_999)

    for figure in ("600 MB of its own", "KV cache 400 MB", "compute 100 MB", "base 100 MB", "memory.worker_limit_gb"):
        assert figure in why
    assert "model.context_tokens" in why


def test_a_standby_over_the_budget_is_refused_with_the_numbers() -> None:
    """What it adds, what runs, what is allowed and how much is missing."""
    beside = [Usage(500_000_000, ("/old.gguf", 2 * GB))]
    why = refusal(NEEDS, "/new.gguf", beside, 4 * GB, GB)

    for figure in ("1,600 MB", "own 600 MB", "weights 1,000 MB", "2,500 MB in use", "4,000 MB", "short of 100 MB"):
        assert figure in why
    assert "memory.budget_gb" in why


def test_mapped_weights_are_said_to_be() -> None:
    """So that nobody looks for a gigabyte that costs nothing."""
    why = refusal(NEEDS, "/m.gguf", [Usage(500_000_000, ("/m.gguf", GB))], 2 * GB, GB)

    assert "weights mapped already" in why
    assert "short of 100 MB" in why


def test_a_header_as_the_inspector_reports_it() -> None:
    """Keys of its own, and figures that are absent count as nothing."""
    shape = ModelShape.from_facts({"architecture": "llama", "block_count": 24, "head_count_kv": 32, "size_bytes": 9})

    assert (shape.architecture, shape.blocks, shape.heads_kv, shape.size_bytes) == ("llama", 24, 32, 9)
    assert (shape.embedding, shape.vocabulary) == (0, 0)
    assert ModelShape.from_facts({"block_count": None, "vocabulary_size": "many"}).blocks == 0


def test_bytes_for_people() -> None:
    """Units of 10^6, with separators."""
    assert [mb(0), mb(1_499_999), mb(3_344_000_000)] == ["0 MB", "1 MB", "3,344 MB"]
