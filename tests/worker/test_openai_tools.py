"""Tools, as clients of OpenAI's API use them, with models whose chat templates know them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import openai
import pytest
from disposable.worker import write_release
from tests.support.scripted_gguf import write_scripted_gguf
from tests.support.tool_templates import HERMES_TEMPLATE, LLAMA_TEMPLATE, MISTRAL_TEMPLATE
from tests.worker.harness import Worker, release_record, running
from tests.worker.openai_clients import client_of
from tools.random_gguf import Shape, write_random_gguf

MESSAGES: Any = [{"role": "user", "content": "How warm is it?"}]
PLACE = {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "description": "Tell it.", "parameters": PLACE}}
CLOCK: Any = {"type": "function", "function": {"name": "clock"}}
ARGUMENTS = {"city": "Paris"}

FIRST, SECOND = ['{"name": "weather", "argu', 'ments": {"city": "Paris"}}'], '{"name": "clock", "arguments": {}}'
LLAMA_CALLS = ['{"name": "weather", "para', 'meters": {"city": "Paris"}}', "; ", '{"name": "clock", "parameters": {}}']
HERMES_CALLS = ["<tool_call>", *FIRST, "\n</tool_call>", "\n\t<tool_", f"call>{SECOND}</tool_call>"]
# The template, what the model says, and which of that are control tokens.
SCRIPTS: dict[str, tuple[str, list[str], list[str]]] = {
    "hermes": (HERMES_TEMPLATE, ["I look", " it up.", "\n\n", *HERMES_CALLS], []),
    "mistral": (
        MISTRAL_TEMPLATE,
        ["I look", " it up.", "[TOOL_CALLS]", " [", *FIRST, ", ", f"{SECOND}]"],
        ["[TOOL_CALLS]"],
    ),
    "llama": (LLAMA_TEMPLATE, LLAMA_CALLS, []),
    "python": (LLAMA_TEMPLATE, ["<|python_tag|>", *LLAMA_CALLS], ["<|python_tag|>"]),
}
SAID = {"hermes": "I look it up.", "mistral": "I look it up.", "llama": None, "python": None}


@contextmanager
def serving(write: Any) -> Iterator[Worker]:
    with TemporaryDirectory(prefix="w") as name:
        folder = Path(name)
        write(folder / "model.gguf")
        with running(folder, write_release(folder, release_record(folder / "model.gguf"))) as worker:
            yield worker.wait_ready()


@pytest.fixture(scope="module", params=SCRIPTS)
def scripted(request: pytest.FixtureRequest) -> Iterator[tuple[str, openai.OpenAI]]:
    template, script, control = SCRIPTS[request.param]
    with (
        serving(lambda out: write_scripted_gguf(out, script, template, control)) as worker,
        client_of(worker) as client,
    ):
        yield request.param, client


@pytest.fixture(scope="module", params=["hermes", "mistral", "llama"])
def babbling(request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    """Random weights: whatever makes sense in an answer was forced."""
    template, _, _ = SCRIPTS[request.param]
    with (
        serving(lambda out: write_random_gguf(Shape(context=4096), "F16", 1, out, template)) as worker,
        client_of(worker) as client,
    ):
        yield client


def test_calls_are_told_from_the_answer(scripted: tuple[str, openai.OpenAI]) -> None:
    """With ids, and apart from what the model says besides."""
    name, client = scripted
    (choice,) = client.chat.completions.create(model="m", messages=MESSAGES, tools=[WEATHER, CLOCK]).choices
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", SAID[name])
    first, second = calls_of(choice.message)
    assert (first.function.name, json.loads(first.function.arguments)) == ("weather", ARGUMENTS)
    assert (second.function.name, second.function.arguments, second.type) == ("clock", "{}", "function")
    assert first.id != second.id


def test_a_stream_tells_calls_and_leaks_nothing_of_them(scripted: tuple[str, openai.OpenAI]) -> None:
    name, client = scripted
    said, calls, reasons = "", [], []
    for chunk in client.chat.completions.create(model="m", messages=MESSAGES, tools=[WEATHER, CLOCK], stream=True):
        (choice,) = chunk.choices
        said += choice.delta.content or ""
        calls += choice.delta.tool_calls or []
        reasons += [choice.finish_reason] if choice.finish_reason else []
    assert (said, reasons) == (SAID[name] or "", ["tool_calls"])
    assert [call.index for call in calls] == [0, 1]
    assert [call.function.name for call in calls if call.function] == ["weather", "clock"]
    assert [json.loads(call.function.arguments or "") for call in calls if call.function] == [ARGUMENTS, {}]


def test_one_call_at_a_time_if_the_client_wants_that(scripted: tuple[str, openai.OpenAI]) -> None:
    _, client = scripted
    found = client.chat.completions.create(
        model="m", messages=MESSAGES, tools=[WEATHER, CLOCK], parallel_tool_calls=False
    )
    assert [call.function.name for call in calls_of(found.choices[0].message)] == ["weather"]


def test_without_tools_the_answer_is_text(scripted: tuple[str, openai.OpenAI]) -> None:
    """Also when there are some that may not be called."""
    _, client = scripted
    for tools in ({}, {"tools": [WEATHER], "tool_choice": "none"}):
        (choice,) = client.chat.completions.create(model="m", messages=MESSAGES, extra_body=tools).choices
        assert choice.finish_reason == "stop"
        assert "weather" in (choice.message.content or "") and not choice.message.tool_calls


def test_a_call_cut_short_is_told_as_text(scripted: tuple[str, openai.OpenAI]) -> None:
    _, client = scripted
    found = client.chat.completions.create(model="m", messages=MESSAGES, tools=[WEATHER], max_tokens=4)
    (choice,) = found.choices
    assert choice.finish_reason == "length" or choice.message.tool_calls
    assert choice.message.content or choice.message.tool_calls


def test_results_go_back_to_the_model(scripted: tuple[str, openai.OpenAI]) -> None:
    """As the chat template writes them: the ids are such that every one takes them."""
    _, client = scripted

    def tokens(messages: Any) -> int:
        found = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER, CLOCK])
        assert found.usage
        return found.usage.prompt_tokens

    asked = client.chat.completions.create(
        model="m", messages=MESSAGES, tools=[WEATHER, CLOCK], parallel_tool_calls=False
    )
    message = asked.choices[0].message
    (call,) = calls_of(message)
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "20 degrees"}
    assert tokens([*MESSAGES, message.model_dump(), result]) > tokens([*MESSAGES, message.model_dump()])


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_a_call_can_be_forced(babbling: openai.OpenAI, choice: Any) -> None:
    """Of any tool, or of one; it keeps to the tool's schema, plain and streaming."""
    asked: Any = {"model": "m", "messages": MESSAGES, "tools": [WEATHER, CLOCK], "tool_choice": choice, "seed": 1}
    (found,) = babbling.chat.completions.create(**asked, parallel_tool_calls=False).choices
    assert (found.finish_reason, found.message.content) == ("tool_calls", None)
    (call,) = calls_of(found.message)
    assert call.function.name == "weather" or choice == "required"
    arguments = json.loads(call.function.arguments)
    assert arguments == {} if call.function.name == "clock" else arguments["city"] in ("Paris", "Rome")
    stream = babbling.chat.completions.create(**asked, parallel_tool_calls=False, stream=True)
    deltas = [choice.delta for chunk in stream for choice in chunk.choices]
    assert len([call for delta in deltas for call in delta.tool_calls or []]) == 1
    assert not any(delta.content for delta in deltas)


BAD: list[tuple[dict[str, Any], str, str, str]] = [
    ({"tool_choice": "required", "tools": []}, "tool_choice", "invalid_field", "names no tool"),
    ({"tool_choice": "required"}, "tool_choice", "invalid_field", "names no tool of tools (none)"),
    (
        {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "clock"}}},
        "tool_choice",
        "invalid_field",
        "(weather)",
    ),
    ({"tools": [WEATHER], "response_format": {"type": "json_object"}}, "response_format", "invalid_field", "one of"),
    (
        {
            "tools": [
                {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"not": {}}}}}}
            ],
            "tool_choice": "required",
        },
        "tools",
        "schema_refused",
        "not",
    ),
]


@pytest.mark.parametrize(("fields", "param", "code", "words"), BAD)
def test_tools_that_make_no_sense_are_refused(
    babbling: openai.OpenAI, fields: dict[str, Any], param: str, code: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        babbling.chat.completions.create(model="m", messages=MESSAGES, extra_body=fields)
    assert (told.value.param, told.value.code) == (param, code)
    assert words in told.value.message


def test_a_model_that_knows_no_tools_says_so(shared: Worker) -> None:
    """Whether it may call or must, and when it is told of calls; unless none is to be made."""
    call = {"id": "1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
    past: Any = [*MESSAGES, {"role": "assistant", "tool_calls": [call]}]
    with client_of(shared) as client:
        for choice, messages in (("auto", MESSAGES), ("required", MESSAGES), ("none", past)):
            with pytest.raises(openai.BadRequestError) as told:
                client.chat.completions.create(
                    model="m", messages=messages, tools=[CLOCK], extra_body={"tool_choice": choice}
                )
            assert (told.value.code, told.value.param) == ("tools_not_supported", "tools")
            assert "chat template" in told.value.message
        found = client.chat.completions.create(model="m", messages=MESSAGES, tools=[CLOCK], tool_choice="none")
        assert found.choices[0].finish_reason == "stop"


def calls_of(message: Any) -> list[Any]:
    return list(message.tool_calls or [])
