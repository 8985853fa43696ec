"""What an answer must be like, and what is told of it: JSON, stop strings, probabilities, biases, time."""

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

import openai
import pydantic
import pytest
from disposable.worker import write_release
from tests.worker.harness import Worker, release_record, running
from tests.worker.openai_clients import ADA, ANSWER, client_of
from tools.random_gguf import Shape, vocabulary, write_random_gguf

ASKED: Any = {"model": "demo", "messages": ADA, "temperature": 0}


class Person(pydantic.BaseModel):
    name: Annotated[str, pydantic.Field(max_length=8)]
    kind: Literal["human", "robot"]
    known: list[bool] = pydantic.Field(max_length=3)


@pytest.fixture
def client(shared: Worker) -> Iterator[openai.OpenAI]:
    with client_of(shared) as client:
        yield client


@pytest.fixture(scope="module")
def nonsense(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """A model of random weights."""
    folder = tmp_path_factory.mktemp("nonsense")
    write_random_gguf(Shape(context=4096), "F16", 1, folder / "m.gguf")
    with TemporaryDirectory(prefix="w") as name:
        release = write_release(Path(name), release_record(folder / "m.gguf"))
        with running(Path(name), release) as worker, client_of(worker.wait_ready()) as client:
            yield client


def id_of(token: str) -> str:
    return str(vocabulary(300)[0].index(token))


def text_of(found: Any) -> str:
    return found.choices[0].message.content or ""


def test_an_answer_can_be_held_to_a_schema(client: openai.OpenAI) -> None:
    """The package's own way: it makes the schema, asks for it strictly, and reads the answer by it."""
    person = client.chat.completions.parse(**ASKED, response_format=Person).choices[0].message.parsed
    assert person and person.kind in ("human", "robot")


def test_an_answer_can_be_held_to_json(nonsense: openai.OpenAI) -> None:
    """Plain and streaming, of a model that would never say any by itself; it is urged to come to an end."""
    urge: Any = {"model": "m", "messages": ADA, "seed": 1, "logit_bias": {id_of("}"): 100, id_of('"'): 50}}
    urge["response_format"] = {"type": "json_object"}
    found = nonsense.chat.completions.create(**urge)
    assert isinstance(json.loads(text_of(found)), dict)
    chunks = nonsense.chat.completions.create(**urge, stream=True)
    assert isinstance(json.loads("".join(chunk.choices[0].delta.content or "" for chunk in chunks)), dict)


def test_a_schema_may_come_with_json_object(client: openai.OpenAI) -> None:
    """As llama.cpp's own server takes it."""
    form: Any = {"type": "json_object", "schema": Person.model_json_schema()}
    assert Person.model_validate_json(text_of(client.chat.completions.create(**ASKED, response_format=form)))


def test_text_is_a_form_too(client: openai.OpenAI) -> None:
    assert text_of(client.chat.completions.create(**ASKED, response_format={"type": "text"})) == ANSWER


def test_a_schema_that_cannot_be_kept_to_is_refused(client: openai.OpenAI) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {"type": "string"}}}}
    with pytest.raises(openai.BadRequestError, match="not") as told:
        client.chat.completions.create(**ASKED, response_format=form)
    assert (told.value.code, told.value.param) == ("schema_refused", "response_format")


@pytest.mark.parametrize(
    ("stop", "text"), [(" meet", "Nice to"), (["xyz", "you, A"], "Nice to meet "), ([], ANSWER), ("N", "")]
)
def test_an_answer_ends_before_a_stop_string(client: openai.OpenAI, stop: Any, text: str) -> None:
    """Nothing of it is told, plain or streaming."""
    found = client.chat.completions.create(**ASKED, stop=stop)
    assert (text_of(found), found.choices[0].finish_reason) == (text, "stop")
    chunks = list(client.chat.completions.create(**ASKED, stop=stop, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text


def test_probabilities_are_told_token_by_token(client: openai.OpenAI) -> None:
    """Of a stream's pieces too; the tokens' bytes are the answer's."""
    (choice,) = client.chat.completions.create(**ASKED, logprobs=True, top_logprobs=3).choices
    assert choice.logprobs and choice.logprobs.content
    told = choice.logprobs.content
    assert bytes(byte for token in told for byte in token.bytes or []).decode() == ANSWER
    assert all(len(token.top_logprobs) == 3 for token in told)
    assert all(token.logprob == token.top_logprobs[0].logprob <= 0 for token in told)
    streamed = [
        token
        for chunk in client.chat.completions.create(**ASKED, logprobs=True, top_logprobs=3, stream=True)
        for each in chunk.choices
        for token in (each.logprobs.content if each.logprobs else None) or []
    ]
    assert [token.token for token in streamed] == [token.token for token in told]


def test_only_those_of_the_drawn_tokens_are_told_unless_more_are_asked_for(client: openai.OpenAI) -> None:
    (choice,) = client.chat.completions.create(**ASKED, logprobs=True).choices
    assert choice.logprobs and choice.logprobs.content
    assert all(token.top_logprobs == [] for token in choice.logprobs.content)


def test_tokens_can_be_urged_and_forbidden(nonsense: openai.OpenAI) -> None:
    """By the ids of the model's own vocabulary."""
    asked: Any = {"model": "m", "messages": ADA, "max_tokens": 5}
    assert text_of(nonsense.chat.completions.create(**asked, logit_bias={id_of("x"): 100})) == "xxxxx"
    forbidden = {str(token): -100 for token in range(300) if str(token) != id_of("y")}
    assert text_of(nonsense.chat.completions.create(**asked, logit_bias=forbidden)) == "yyyyy"
