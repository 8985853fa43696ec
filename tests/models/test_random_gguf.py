"""Random-weight GGUFs load and decode; impossible shapes are misuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from llama_cpp import Llama
from tools.random_gguf import SHAPES, Shape, ShapeError, main, tensor_shapes, vocabulary, write_random_gguf


def loaded(path: Path) -> Llama:
    return Llama(str(path), n_ctx=64, n_threads=1, verbose=False)


@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_0"])
def test_a_tiny_model_loads_and_decodes(tmp_path: Path, kind: str) -> None:
    """Weights of every type, a vocabulary of 300."""
    out = tmp_path / "tiny.gguf"
    write_random_gguf(Shape(), kind, seed=1, out=out)
    model = loaded(out)
    assert model.n_vocab() == 300
    assert model("hello", max_tokens=4, temperature=0.0)["usage"]["completion_tokens"] > 0
    model.close()
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


def test_q4_k_m_is_made_where_rows_allow_it(tmp_path: Path) -> None:
    """K types cut rows into blocks of 256."""
    out = tmp_path / "k.gguf"
    assert main(["--embedding", "256", "--feed-forward", "512", "--type", "Q4_K_M", "--out", str(out)]) == 0
    model = loaded(out)
    assert model.metadata["general.file_type"] == "15"
    assert model.n_embd() == 256
    model.close()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """And another seed other ones."""
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file, seed in zip(files, (7, 7, 8), strict=True):
        write_random_gguf(Shape(), "F16", seed, file)
    first, second, third = (file.read_bytes() for file in files)
    assert first == second != third


def test_the_synthetic_vocabulary_is_a_sound_bpe() -> None:
    """No token twice, and each merge joins tokens that exist."""
    tokens, merges = vocabulary(49_152)
    known = set(tokens)
    assert len(tokens) == len(known) == 49_152
    assert all({left, right, left + right} <= known for left, right in merges)


def test_the_1_7b_preset_has_as_many_weights_as_the_real_one() -> None:
    """Counted without writing it."""
    sizes = [size for _, size in tensor_shapes(SHAPES["smollm2-1.7b"])]
    assert sum(size[0] * (size[1] if len(size) > 1 else 1) for size in sizes) == 1_711_376_384


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--heads", "7"], "heads (7) must divide embedding (64)"),
        (["--kv-heads", "3"], "kv_heads (3) must divide heads (4)"),
        (["--heads", "64"], "embedding / heads (1) must be even"),
        (["--vocabulary", "258"], "vocabulary must be at least 259"),
        (["--blocks", "0"], "blocks must be positive"),
        (["--type", "Q4_K_M"], "embedding (64) must be a multiple of 256 for Q4_K_M"),
        (["--feed-forward", "100", "--type", "Q8_0"], "feed_forward (100) must be a multiple of 32 for Q8_0"),
    ],
)
def test_an_impossible_shape_is_misuse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    """Exit code 2, the reason on stderr, and no file."""
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--out", str(tmp_path / "no.gguf")])
    assert stop.value.code == 2
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_type_is_refused_by_the_function_too(tmp_path: Path) -> None:
    """One validator for the command and for importers."""
    with pytest.raises(ShapeError, match="type must be one of"):
        write_random_gguf(Shape(), "Q9", 1, tmp_path / "no.gguf")
