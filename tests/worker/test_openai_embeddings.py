"""Embeddings, as clients of OpenAI's API ask for them: of a model that pools the last token, and of one that cannot."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import openai
import pytest
from disposable.waiting import until
from disposable.worker import write_release
from tests.support.library_vectors import alike, library_vectors
from tests.worker.harness import Worker, release_record, running
from tests.worker.openai_clients import client_of
from tools.random_gguf import Shape, write_random_gguf

WIDTH = 64
TEXTS = [
    "the cat sat",
    "on the mat",
    "the cat sat on",
    "the quick brown fox " * 40,
]  # the longest is read in several steps


@pytest.fixture(scope="module")
def pooling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pooling") / "pooling.gguf"
    write_random_gguf(Shape(context=4096, embedding=WIDTH, pooling=3), "F16", 1, path)
    return path


@pytest.fixture(scope="module")
def client(pooling: Path) -> Iterator[openai.OpenAI]:
    with TemporaryDirectory(prefix="w") as name:
        release = write_release(Path(name), release_record(pooling))
        with running(Path(name), release) as worker, client_of(worker.wait_ready()) as client:
            yield client


def test_vectors_are_those_of_the_library_itself(client: openai.OpenAI, pooling: Path) -> None:
    """Computed there in a context that does nothing else; together, one by one, and again from the cache."""
    expected = library_vectors(pooling, TEXTS)
    together = client.embeddings.create(model="m", input=TEXTS)
    assert [each.index for each in together.data] == [0, 1, 2, 3]
    for _ in range(2):
        alone = [client.embeddings.create(model="m", input=text).data[0].embedding for text in TEXTS]
        for right, one, other in zip(expected, alone, together.data, strict=True):
            assert near(right, one) and near(right, other.embedding)
    assert not near(expected[0], expected[1])


def test_an_answer_has_what_openai_documents(client: openai.OpenAI) -> None:
    """As numbers, and in base64, which the package asks for by itself."""
    found = client.embeddings.create(model="any", input="the cat", encoding_format="float")
    assert (found.object, found.model, found.data[0].object) == ("list", "pooling", "embedding")
    assert found.usage.prompt_tokens == found.usage.total_tokens > 0
    vector = found.data[0].embedding
    assert len(vector) == WIDTH and math.isclose(math.hypot(*vector), 1, rel_tol=1e-5)
    assert near(vector, client.embeddings.create(model="any", input="the cat").data[0].embedding)


def test_tokens_are_inputs_as_well(client: openai.OpenAI) -> None:
    for tokens, count in (([5, 6, 7], 1), ([[5, 6, 7], [8]], 2)):
        given: Any = tokens
        assert len(client.embeddings.create(model="m", input=given).data) == count


def test_long_lists_are_no_crowd(client: openai.OpenAI) -> None:
    """More than may wait, with two slots and a queue of eight."""
    found = client.embeddings.create(model="m", input=[f"text {number}" for number in range(40)])
    assert [each.index for each in found.data] == list(range(40))


def test_a_list_that_was_let_in_is_not_refused_in_the_middle(pooling: Path) -> None:
    """Where others take the places that are free between its parts, the next one waits."""
    texts = [f"{number} {TEXTS[-1]}" for number in range(100)]
    with TemporaryDirectory(prefix="w") as name, ThreadPoolExecutor(7) as pool:
        release = write_release(Path(name), release_record(pooling, queue_limit=0))
        with running(Path(name), release) as worker, client_of(worker.wait_ready()) as client:
            listed = pool.submit(client.embeddings.create, model="m", input=texts)
            until(lambda: worker.deep()["engine"]["in_flight"], "the list is let in")
            crowd = [pool.submit(_ask_until, listed, client) for _ in range(6)]
            assert [each.index for each in listed.result().data] == list(range(100))
            answered, refused = map(sum, zip(*(each.result() for each in crowd), strict=True))
            assert answered and refused, "there was no crowd"


def test_a_long_list_has_the_time_of_one_request(client: openai.OpenAI) -> None:
    texts = [f"{number} {TEXTS[-1]}" for number in range(1000)]
    with pytest.raises(openai.RateLimitError, match="after 1 s") as told:
        client.embeddings.create(model="m", input=texts, extra_body={"timeout_s": 1})
    assert told.value.code == "deadline_exceeded"


def test_answers_beside_them_are_what_they_are_alone(client: openai.OpenAI) -> None:
    """The engine computes both in turn, in one context."""
    asked: Any = {"model": "m", "prompt": "the cat", "max_tokens": 200, "temperature": 0}
    alone = client.completions.create(**asked).choices[0].text
    with ThreadPoolExecutor(2) as pool:
        vectors = [pool.submit(client.embeddings.create, model="m", input=TEXTS) for _ in range(8)]
        beside = client.completions.create(**asked).choices[0].text
        first, *others = [each.result().data[0].embedding for each in vectors]
    assert beside == alone
    assert all(near(first, other) for other in others)


BAD: list[tuple[dict[str, Any], str | None, str, str]] = [
    ({"input": []}, "input", "invalid_field", "length >= 1"),
    ({"input": 5}, "input", "invalid_field", "not 5"),
    ({"input": ["a", [1]]}, "input", "invalid_field", "mixes"),
    ({"input": ["a"] * 2049}, "input", "invalid_field", "at most 2048"),
    ({"input": ""}, None, "prompt_refused", "empty"),
    ({"input": "y" * 5000}, None, "context_length_exceeded", "4096"),
    ({"input": "a", "dimensions": 32}, "dimensions", "invalid_field", "have 64, not 32"),
    ({"input": "a", "encoding_format": "int8"}, "encoding_format", "invalid_field", "'int8'"),
]


@pytest.mark.parametrize(("fields", "param", "code", "words"), BAD, ids=[str(fields)[:40] for fields, *_ in BAD])
def test_wrong_fields_are_bad_requests(
    client: openai.OpenAI, fields: dict[str, Any], param: str | None, code: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        client.embeddings.create(model="m", input="x", extra_body=fields)
    assert (told.value.param, told.value.code) == (param, code)
    assert words in told.value.message


def test_a_model_without_says_so(shared: Worker) -> None:
    with client_of(shared) as client, pytest.raises(openai.BadRequestError, match="pooling_type") as told:
        client.embeddings.create(model="m", input="x")
    assert told.value.code == "embeddings_not_supported"


def _ask_until(listed: "Future[Any]", client: openai.OpenAI) -> tuple[int, int]:
    """How often it was answered, and how often refused."""
    answered = refused = 0
    while not listed.done():
        try:
            client.completions.create(model="m", prompt="Hello", max_tokens=5)
            answered += 1
        except openai.RateLimitError:
            refused += 1
    return answered, refused


def near(some: Sequence[float], others: Sequence[float]) -> bool:
    return alike(some, others) > 0.9999
