"""Embeddings, by a model whose file says that it was made for them too."""

import asyncio
import math
from pathlib import Path

import pytest
from tests.support.library_vectors import alike, library_vectors
from tests.worker.test_engine import answer, ask, engine
from tools.random_gguf import Shape, write_random_gguf

from modelsvc.engine.engine import Engine
from modelsvc.engine.errors import EmbeddingsRefused, PromptRefused, PromptTooLong
from modelsvc.engine.types import EmbeddingRequest, Finished

TEXTS = ["to be or not to be", "to be or not", "the old cat " * 100, "x"]


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("embedder") / "embedder.gguf"
    write_random_gguf(Shape(embedding=128, blocks=3, heads=4, kv_heads=4, context=2048, pooling=3), "F16", 3, path)
    return path


async def embed(subject: Engine, content: str | tuple[int, ...]) -> tuple[tuple[float, ...], Finished]:
    generation = await subject.submit(EmbeddingRequest(content))
    _, finished = await answer(generation)
    return generation.embedding, finished


async def test_it_is_what_llama_cpp_tells_of_the_text_alone(embedder: Path) -> None:
    """Read in chunks, together, and partly from the cache: the direction is the same."""
    async with engine(embedder) as subject:
        found = await asyncio.gather(*(embed(subject, text) for text in TEXTS))
        again, finished = await embed(subject, TEXTS[2])
        assert finished.usage.cached_tokens > 100
    expected = library_vectors(embedder, [*TEXTS, TEXTS[2]])
    for right, vector in zip(expected, [*(vector for vector, _ in found), again], strict=True):
        assert math.hypot(*vector) == pytest.approx(1)
        assert alike(vector, right) > 0.999


async def test_answers_go_on_beside_embeddings(embedder: Path) -> None:
    """And are what they are alone."""
    async with engine(embedder) as subject:
        alone, _ = await ask(subject, "Hello", max_tokens=60)
        (beside, _), *_ = await asyncio.gather(
            ask(subject, "Hello", max_tokens=60), *(embed(subject, text) for text in TEXTS * 3)
        )
        assert beside[:20] == alone[:20]
        assert subject.snapshot().in_flight == 0


async def test_its_usage_counts_the_text(embedder: Path) -> None:
    async with engine(embedder) as subject:
        _, finished = await embed(subject, (5, 6, 7))
        assert (finished.usage.prompt_tokens, finished.usage.completion_tokens) == (3, 0)


async def test_what_cannot_be_embedded_is_refused(embedder: Path, model: Path) -> None:
    async with engine(embedder, context_tokens=256) as subject:
        with pytest.raises(PromptTooLong, match="this model's maximum context length is 256"):
            await embed(subject, "word " * 400)
        with pytest.raises(PromptRefused, match="empty"):
            await embed(subject, "")
        generation = await subject.submit(EmbeddingRequest("the old cat"))
        generation.cancel()
        await answer(generation)
    async with engine(model) as subject:
        with pytest.raises(EmbeddingsRefused, match="tells no embeddings"):
            await embed(subject, "hello")
