"""What /v1 refuses: as the exceptions of OpenAI's own package, with the field and what to do about it."""

import signal
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gguf
import httpx
import openai
import pytest
from disposable.waiting import until
from disposable.worker import write_release
from tests.worker.harness import DEADLINE_S, Worker, post_and_keep, release_record, running
from tests.worker.openai_clients import ADA, BABBLE, async_client_of, client_of
from tests.worker.test_busy import hang_up, idle
from tools.random_gguf import Shape, write_random_gguf

from modelsvc import keyfile

HELLO = {"role": "user", "content": "Hello"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{"}}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": []}, "messages", "length >= 1"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "allowed: system"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "required field `content` is missing"),
    ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0].type", "only parts of type text"),
    (
        {"messages": [HELLO, {"role": "assistant", "tool_calls": [CALL]}]},
        "messages[1].tool_calls[0].function.arguments",
        "must be a JSON object",
    ),
    ({"temperature": 3}, "temperature", "<= 2.0, not 3"),
    ({"top_p": 1.5}, "top_p", "<= 1.0, not 1.5"),
    ({"n": 9}, "n", "<= 8, not 9"),
    ({"n": 0}, "n", ">= 1, not 0"),
    ({"max_tokens": 0}, "max_tokens", ">= 1"),
    ({"max_completion_tokens": "9"}, "max_completion_tokens", "not '9'"),
    ({"frequency_penalty": -3}, "frequency_penalty", ">= -2"),
    ({"logit_bias": {"hello": 1}}, "logit_bias", "regex"),
    ({"logit_bias": {"5": 101}}, "logit_bias[...]", "<= 100"),
    ({"stop": [""]}, "stop[0]", "length >= 1"),
    ({"stop": "x" * 1001}, "stop", "length <= 1000"),
    ({"top_logprobs": 3}, "top_logprobs", "needs logprobs"),
    ({"top_logprobs": 21, "logprobs": True}, "top_logprobs", "<= 20"),
    ({"timeout_s": 0}, "timeout_s", ">= 1"),
    ({"modalities": ["text", "audio"]}, "modalities[1]", "answers are text"),
    ({"audio": {"voice": "alloy", "format": "wav"}}, "audio", "answers are text"),
    ({"functions": [{"name": "f"}]}, "functions", "tools"),
    ({"function_call": "auto"}, "function_call", "tool_choice"),
    ({"web_search_options": {}}, "web_search_options", "nothing is looked up"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "'xml'"),
    ({"tools": [{"type": "code_interpreter"}]}, "tools[0].type", "code_interpreter"),
    (
        {"stream_options": {"include_usage": "yes"}},
        "stream_options.include_usage",
        "must be true, false or null, not 'yes'",
    ),
]


@pytest.fixture
def client(shared: Worker) -> Iterator[openai.OpenAI]:
    with client_of(shared) as client:
        yield client


@pytest.mark.parametrize(("fields", "param", "words"), WRONG, ids=[param for _, param, _ in WRONG])
def test_wrong_fields_are_bad_requests(client: openai.OpenAI, fields: Any, param: str, words: str) -> None:
    """That name the field by its path."""
    with pytest.raises(openai.BadRequestError) as told:
        client.chat.completions.create(model="demo", messages=ADA, extra_body=fields)
    assert (told.value.code, told.value.param, told.value.type) == ("invalid_field", param, "invalid_request")
    assert words in told.value.message


def answered(worker: Worker, fields: str) -> int:
    """The status."""
    body = f'{{"messages": [{{"role": "user", "content": "x"}}], "max_tokens": 1, {fields}}}'
    return httpx.post(f"{worker.url}/v1/chat/completions", content=body, timeout=DEADLINE_S).status_code


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


DEEP = [
    '"more": %s',
    '"n": %s',
    '"response_format": {"type": "json_object", "schema": %s}',
    '"tool_choice": "required", "tools": [{"type": "function", "function": {"name": "f", "parameters": %s}}]',
]


@pytest.mark.parametrize("levels", [300, 500, 900, 990, 1100, 20_000])
@pytest.mark.parametrize("fields", DEEP)
def test_no_depth_is_a_fault_of_the_worker(shared: Worker, fields: str, levels: int) -> None:
    """A failure would count against a release that is being tried."""
    assert answered(shared, fields % nested(levels)) in (200, 400)
    assert shared.deep()["requests"]["failed"] == 0


async def test_a_prompt_that_does_not_fit_is_told_with_the_counts(shared: Worker) -> None:
    """By the code that clients know, plain and as a stream."""
    messages: Any = [{"role": "user", "content": "word " * 5000}]
    async with async_client_of(shared) as client:
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError, match="this model's maximum context length is 4096") as told:
                await client.chat.completions.create(model="demo", messages=messages, stream=stream)
            assert told.value.code == "context_length_exceeded"


def test_a_long_run_of_one_letter_ends_no_worker(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a tokenizer (Mistral's) whose regular expression llama.cpp follows by recursion, one level a letter."""
    write_pre = gguf.GGUFWriter.add_tokenizer_pre
    monkeypatch.setattr(gguf.GGUFWriter, "add_tokenizer_pre", lambda writer, _: write_pre(writer, "tekken"))
    write_random_gguf(Shape(context=4096), "F16", 1, folder / "m.gguf")
    with running(folder, write_release(folder, release_record(folder / "m.gguf"))) as worker:
        with client_of(worker.wait_ready()) as client, pytest.raises(openai.BadRequestError) as told:
            client.completions.create(model="m", prompt="a" * 1_000_000)
        assert told.value.code == "context_length_exceeded"
        assert worker.process.poll() is None


def test_more_choices_than_can_ever_wait_are_refused(folder: Path, model: Path) -> None:
    """Rather than told to come again."""
    release = write_release(folder, release_record(model, slots=1, queue_limit=1))
    with running(folder, release) as worker, client_of(worker.wait_ready()) as client:
        with pytest.raises(openai.BadRequestError, match="3 answers at once: at most 2") as told:
            client.chat.completions.create(model="demo", messages=ADA, n=3)
        assert (told.value.code, told.value.param) == ("too_many_choices", "n")
        with pytest.raises(openai.BadRequestError) as told:
            client.completions.create(model="demo", prompt=["a", "b", "c"])
        assert told.value.param == "prompt"
        assert len(client.chat.completions.create(model="demo", messages=ADA, n=2).choices) == 2


def test_a_full_queue_is_a_rate_limit(babbler: Worker) -> None:
    """Choices are let in all or none; nothing of a refused request is left."""
    body = BABBLE | {"stream": True}
    clients = [post_and_keep(babbler.port, body, "/v1/chat/completions") for _ in range(9)]
    until(lambda: babbler.deep()["engine"]["waiting"] == 7, "one more may wait")
    with client_of(babbler) as client, pytest.raises(openai.RateLimitError) as told:
        client.chat.completions.create(**BABBLE, n=2)
    assert told.value.code == "queue_full"
    assert int(told.value.response.headers["retry-after"]) >= 1
    assert babbler.deep()["engine"]["waiting"] == 7
    hang_up(clients)
    until(lambda: idle(babbler), "every place is free")


def test_the_package_comes_again_when_it_is_told_to(babbler: Worker) -> None:
    """After as long as Retry-After says, and then there is room."""
    body = BABBLE | {"stream": True}
    clients = [post_and_keep(babbler.port, body, "/v1/chat/completions") for _ in range(10)]
    until(lambda: babbler.deep()["engine"]["waiting"] == 8, "the queue is full")
    refusals = 'modelsvc_http_requests_total{code="429",route="/v1/chat/completions"}'
    with client_of(babbler, max_retries=5) as client, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: client.chat.completions.create(**BABBLE | {"max_tokens": 2}))
        until(lambda: refusals in babbler.get("/metrics").text, "it was turned away")
        hang_up(clients)
        assert asked.result().choices[0].finish_reason == "length"


def test_time_that_is_over_is_told(babbler: Worker) -> None:
    """As an error where the answer had not begun, and as its end where it had."""
    with client_of(babbler) as client, ThreadPoolExecutor(1) as pool:
        running = [client.chat.completions.create(**BABBLE, stream=True, timeout=60) for _ in range(2)]
        heard = [next(stream) for stream in running]
        waiting = pool.submit(lambda: client.chat.completions.create(**BABBLE, extra_body={"timeout_s": 1}))
        until(lambda: babbler.deep()["engine"]["waiting"] == 1, "the third one waits")
        babbler.process.send_signal(signal.SIGSTOP)
        time.sleep(1.1)  # its time passes, while nothing else happens
        babbler.process.send_signal(signal.SIGCONT)
        with pytest.raises(openai.RateLimitError, match="allow more time") as told:
            waiting.result()
        assert told.value.code == "deadline_exceeded"
        assert babbler.deep()["requests"]["failed"] == 0  # a release is not to be blamed for a client's haste
        assert all(heard)
        hang_up(running)
        until(lambda: idle(babbler), "every place is free")

        timed = client.chat.completions.create(**BABBLE, stream=True, extra_body={"timeout_s": 1})
        next(timed)
        babbler.process.send_signal(signal.SIGSTOP)
        time.sleep(1.1)
        babbler.process.send_signal(signal.SIGCONT)
        *_, last = timed
        assert last.choices[0].finish_reason == "length"
        assert idle(babbler)


def test_a_client_that_hangs_up_frees_its_places(babbler: Worker) -> None:
    """Of all choices; plain requests and streams, running and queued."""
    bodies = [BABBLE | {"stream": number % 2 == 0, "n": 2} for number in range(4)]
    clients = [post_and_keep(babbler.port, body, "/v1/chat/completions") for body in bodies]
    until(lambda: babbler.deep()["engine"]["waiting"] == 6, "requests wait")
    hang_up(clients)
    until(lambda: idle(babbler), "every place is free")


def test_a_missing_or_wrong_key_is_an_authentication_error(model: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="w") as name:
        folder = Path(name)
        key = keyfile.add(folder / "keys", "ada")
        release = write_release(folder, release_record(model))
        with running(folder, release, api_keys=folder / "keys") as worker:
            worker.wait_ready()
            with client_of(worker, "wrong") as client, pytest.raises(openai.AuthenticationError) as told:
                client.chat.completions.create(model="demo", messages=ADA)
            assert (told.value.code, told.value.param) == ("wrong_api_key", None)
            with client_of(worker, key) as client:
                assert client.chat.completions.create(model="demo", messages=ADA).choices


def test_an_unknown_path_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"/openapi\.json"):
        client.moderations.create(input="x")
