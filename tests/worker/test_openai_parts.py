"""The pure parts of /v1."""

import json
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import msgspec
import pytest

from modelsvc.engine.errors import DecodeFailed, GrammarTooSlow
from modelsvc.engine.output import Output
from modelsvc.engine.tool_reader import ToolReader
from modelsvc.engine.tool_syntax import HERMES, PLAIN
from modelsvc.engine.types import ChatPrompt, Drawn, Finished, Logprob, Message, Sampling, Timings, Token, Usage
from modelsvc.worker.bodies import Body
from modelsvc.worker.defaults import Defaults
from modelsvc.worker.envelope import Exchange
from modelsvc.worker.errors import HttpError
from modelsvc.worker.exchanges import to_the_end
from modelsvc.worker.openai.answer import broken_off
from modelsvc.worker.openai.chat_choice import ChatChoiceSoFar
from modelsvc.worker.openai.chat_request import ChatRequest, chat_requests, parse_chat
from modelsvc.worker.openai.embeddings import EmbeddingsRequest
from modelsvc.worker.openai.text_choice import TextChoiceSoFar
from modelsvc.worker.openai.text_request import (
    DEFAULT_MAX_TOKENS,
    TextRequest,
    parse_text,
    prompts,
    text_requests,
)
from modelsvc.worker.openai.tools import Function, Tool, Toolbox, toolbox
from modelsvc.worker.openai.wanted import PLAIN_TIMEOUT_S, STREAM_TIMEOUT_S, Wanted, sampling
from modelsvc.worker.schema import Ask

HELLO = '"messages": [{"role": "user", "content": "Hello"}]'


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), Sampling(1.0, top_k=40, top_p=1.0, min_p=0.05)),
        (Wanted(top_p=0.5), Sampling(1.0, top_k=0, top_p=0.5, min_p=0.0)),
        (Wanted(top_k=-1), Sampling(1.0, top_k=0, top_p=1.0, min_p=0.0)),
        (Wanted(min_p=0.1, top_k=5), Sampling(1.0, top_k=5, top_p=1.0, min_p=0.1)),
        (Wanted(temperature=0, seed=7), Sampling(0.0, top_k=40, top_p=1.0, min_p=0.05, seed=9)),
        (Wanted(logit_bias={"5": -100}), Sampling(1.0, top_p=1.0, logit_bias=((5, -100.0),))),
    ],
)
def test_who_chooses_how_tokens_are_cut_off_gets_that_alone(wanted: Wanted, expected: Sampling) -> None:
    """And the third choice's seed is the request's and two."""
    assert sampling(wanted, 2, None, Defaults()) == expected


def test_a_request_becomes_a_generation_for_each_choice() -> None:
    body = f'{{{HELLO}, "n": 2, "seed": 1, "stop": "x", "max_tokens": 5, "logprobs": true, "top_logprobs": 2}}'
    first, second = chat_requests(parse_chat(body.encode()), Toolbox(), Defaults())
    assert first.prompt == ChatPrompt((Message("user", "Hello"),))
    assert (first.max_tokens, first.stop, first.logprobs, first.timeout_s) == (5, ("x",), 2, PLAIN_TIMEOUT_S)
    assert (first.sampling.seed, second.sampling.seed) == (1, 2)


ANSWERING = '{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}'
WHOLE = (Message("user", "Hello"), Message("assistant", "Hi"))
CALLING = '{"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f"}}]}'


@pytest.mark.parametrize(
    ("fields", "prompt"),
    [
        ("", ChatPrompt(WHOLE[:1], begun="Hi")),
        (', "continue_final_message": true', ChatPrompt(WHOLE[:1], begun="Hi")),
        (', "continue_final_message": false', ChatPrompt(WHOLE)),
        (', "response_format": {"type": "json_object"}', ChatPrompt(WHOLE)),
    ],
)
def test_a_last_message_by_the_assistant_is_gone_on_with(fields: str, prompt: ChatPrompt) -> None:
    """Unless the client says otherwise, or the answer has to be whole."""
    (only,) = chat_requests(parse_chat(f'{{"messages": [{ANSWERING}]{fields}}}'.encode()), Toolbox(), Defaults())
    assert only.prompt == prompt


@pytest.mark.parametrize(
    ("messages", "more"),
    [
        ('{"role": "user", "content": "Hello"}', ""),
        ('{"role": "assistant", "content": "Hi"}', ""),
        (f'{{"role": "user", "content": "Hello"}}, {CALLING}', ""),
        (ANSWERING, ', "response_format": {"type": "json_object"}'),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused_where_it_is_demanded(messages: str, more: str) -> None:
    body = f'{{"messages": [{messages}]{more}'
    (only,) = chat_requests(parse_chat(f"{body}}}".encode()), Toolbox(), Defaults())
    assert isinstance(only.prompt, ChatPrompt) and not only.prompt.begun
    with pytest.raises(HttpError) as told:
        chat_requests(parse_chat(f'{body}, "continue_final_message": true}}'.encode()), Toolbox(), Defaults())
    assert told.value.param == "continue_final_message"


def test_minus_one_is_no_limit() -> None:
    """For texts too, whose limit is small where none is told; and the newer name of it counts."""
    for fields, limit in (
        ('"max_tokens": -1', None),
        ('"max_tokens": 5, "max_completion_tokens": -1', None),
        ('"max_tokens": -1, "max_completion_tokens": 5', 5),
        ('"max_tokens": -1, "max_completion_tokens": null', None),
    ):
        assert (
            chat_requests(parse_chat(f"{{{HELLO}, {fields}}}".encode()), Toolbox(), Defaults())[0].max_tokens == limit
        )
    for value, limit in (("-1", None), ("null", DEFAULT_MAX_TOKENS), ("5", 5)):
        asked = parse_text(f'{{"prompt": "x", "max_tokens": {value}}}'.encode())
        assert text_requests(asked, prompts(asked), Defaults())[0].max_tokens == limit


def test_null_is_the_same_as_nothing_wherever_something_may_be_left_out() -> None:
    """In every type that a body is made of."""
    found = list(structs(msgspec.inspect.multi_type_info([Ask, ChatRequest, TextRequest, EmbeddingsRequest])))
    assert {"Ask", "ChatRequest", "Function", "AssistantMessage", "JsonSchema"} <= {each.cls.__name__ for each in found}
    optional = [(each.cls.__name__, field) for each in found for field in each.fields if not field.required]
    assert [(name, field.name) for name, field in optional if not takes_null(field.type)] == []


def structs(types: Iterable[Any]) -> Iterator[msgspec.inspect.StructType]:
    for kind in types:
        if isinstance(kind, msgspec.inspect.StructType):
            yield kind
            yield from structs(field.type for field in kind.fields)
        elif isinstance(kind, msgspec.inspect.UnionType):
            yield from structs(kind.types)
        elif hasattr(kind, "item_type"):
            yield from structs([kind.item_type])
        elif isinstance(kind, msgspec.inspect.Metadata):
            yield from structs([kind.type])


def takes_null(kind: msgspec.inspect.Type) -> bool:
    return isinstance(kind, msgspec.inspect.NoneType | msgspec.inspect.AnyType) or (
        isinstance(kind, msgspec.inspect.UnionType) and any(map(takes_null, kind.types))
    )


@pytest.mark.parametrize(
    ("fields", "timeout_s"), [('"stream": true', STREAM_TIMEOUT_S), ('"timeout_s": 5, "stream": true', 5.0)]
)
def test_streams_may_take_longer_and_clients_may_say_how_long(fields: str, timeout_s: float) -> None:
    (only,) = chat_requests(parse_chat(f"{{{HELLO}, {fields}}}".encode()), Toolbox(), Defaults())
    assert only.timeout_s == timeout_s


def test_a_wrong_field_is_shown_from_wherever_it_is() -> None:
    with pytest.raises(HttpError) as told:
        Body(dict[str, list[int]], "numbers").decode(b'{"a": [1, 2, "x"]}')
    assert told.value.message == "[...][2]: must be a whole number, not {'a': [1, 2, 'x']}; numbers"


@pytest.mark.parametrize(
    ("error", "code", "failed"),
    [
        (DecodeFailed("no memory"), "engine_failed", True),
        (GrammarTooSlow("too slow"), "grammar_too_slow", False),
        (KeyError("a defect"), "internal", True),
    ],
)
async def test_a_stream_that_breaks_off_says_why(error: Exception, code: str, failed: bool) -> None:
    """In the shape that OpenAI's package raises as an APIError; and it counts as failed where the worker did."""

    async def told() -> AsyncIterator[bytes]:
        yield b"data: {}\n\n"
        raise error

    exchange = Exchange(status=200)
    first, last = [each async for each in to_the_end(told(), exchange, broken_off)]
    assert first == b"data: {}\n\n"
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == code
    assert exchange.failed is failed


def test_no_probability_is_lost_where_text_is_held_back() -> None:
    """They go with the text, or with the call, that they are of; what is left comes with the end."""
    choice = ChatChoiceSoFar(0, logprobs=True, reader=ToolReader(HERMES, frozenset({"f"})))
    written = ["Hm", " <tool", '_call>{"name": "f", "arguments": {}}', "</tool_call>", "\n"]
    for text in written:
        choice.take(Token(text, (Drawn(Logprob(text.encode(), -1.0)),)))
    choice.take(Finished("stop", Usage(1, 5), Timings(0, 0, 0, 0, 0)))
    whole = choice.whole()
    assert whole.logprobs and [token.token for token in whole.logprobs.content] == written
    assert (whole.message.content, whole.finish_reason) == ("Hm", "tool_calls")


def test_offsets_are_places_in_the_text_in_a_stream_too() -> None:
    """Also of tokens that are parts of a character, which their own texts are not."""
    whole, stream = TextChoiceSoFar(0, logprobs=0), TextChoiceSoFar(0, logprobs=0)
    told: list[int] = []
    output = Output(["x!"])
    pieces = [b"a", b"\xf0\x9f", b"\x98\x80", b"x", b"bc", b"\xc3", b"\xa9", b"d"]
    tokens = [output.push(piece, Drawn(Logprob(piece, -1.0))) for piece in pieces]
    for token in filter(None, [*tokens, output.end()]):
        whole.take(token)
        told += [at for each in stream.take(token) if each.logprobs for at in each.logprobs.text_offset]
    found = whole.whole()
    assert found.text == "a😀xbcéd"
    assert found.logprobs and found.logprobs.text_offset == told == [0, 1, 1, 2, 3, 5, 5, 6]


def test_a_model_whose_calls_are_written_in_an_unknown_way_can_be_forced_only() -> None:
    """Then the way is ours, and known."""
    tools = [Tool(function=Function(name="f"))]
    with pytest.raises(HttpError, match="no way to call tools that is known") as told:
        toolbox(tools, "auto", None, None)
    assert told.value.param == "tools"
    forced = toolbox(tools, "required", None, None)
    assert forced.syntax == PLAIN
    assert forced.grammar and "root ::=" in forced.grammar


def test_parameters_of_nothing_are_no_parameters() -> None:
    """Not any value: what is called has an object of arguments."""
    nothing = Tool(function=Function(name="f", parameters=None))
    empty = Tool(function=Function(name="f", parameters={}))
    assert toolbox([empty], "required", None, HERMES) == toolbox([nothing], "required", None, HERMES)
