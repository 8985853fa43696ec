"""Chat completions as clients of OpenAI's API ask for them, with its own package, of a real worker."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import openai
import pytest
from tests.worker.harness import Worker
from tests.worker.openai_clients import ADA, ANSWER, async_client_of, client_of


@pytest.fixture
def client(shared: Worker) -> Iterator[openai.OpenAI]:
    with client_of(shared) as client:
        yield client


@pytest.fixture
async def async_client(shared: Worker) -> AsyncIterator[openai.AsyncOpenAI]:
    async with async_client_of(shared) as client:
        yield client


def test_an_answer_has_what_openai_documents(client: openai.OpenAI) -> None:
    """And tells which model really answered."""
    found = client.chat.completions.create(model="gpt-4o", messages=ADA, temperature=0)
    (choice,) = found.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", ANSWER, "stop")
    assert (found.object, found.model, choice.index, choice.logprobs) == ("chat.completion", "demo", 0, None)
    assert found.id.startswith("chatcmpl-") and found.created > 1_700_000_000 and found.system_fingerprint
    assert found.usage and found.usage.prompt_tokens_details
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens
    assert found.usage.prompt_tokens_details.cached_tokens is not None


def test_a_begun_answer_is_gone_on_with(client: openai.OpenAI) -> None:
    """From the very place: what it tells is the rest of what it would have told alone."""
    begun: Any = [*ADA, {"role": "assistant", "content": ANSWER[:7]}]
    found = client.chat.completions.create(model="m", messages=begun, temperature=0)
    assert found.choices[0].message.content == ANSWER[7:]
    anew = client.chat.completions.create(
        model="m", messages=begun, temperature=0, extra_body={"continue_final_message": False}
    )
    assert anew.usage and found.usage and anew.usage.prompt_tokens > found.usage.prompt_tokens


async def test_it_may_be_asked_asynchronously(async_client: openai.AsyncOpenAI) -> None:
    """Several at once, plain and streaming."""

    async def streamed() -> str | None:
        stream = await async_client.chat.completions.create(model="demo", messages=ADA, temperature=0, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def plain() -> str | None:
        found = await async_client.chat.completions.create(model="demo", messages=ADA, temperature=0)
        return found.choices[0].message.content

    assert set(await asyncio.gather(plain(), streamed(), plain(), streamed())) == {ANSWER}


def test_a_stream_has_what_openai_documents(shared: Worker) -> None:
    """The role first, pieces, the reason in the last choice; data lines only, and [DONE]."""
    body = {"messages": ADA, "temperature": 0, "stream": True}
    with httpx.stream("POST", f"{shared.url}/v1/chat/completions", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-modelsvc-color"] == "blue"
        *events, done, end = response.read().decode().split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    assert all(event.startswith("data: {") for event in events)
    chunks = [json.loads(event.removeprefix("data: ")) for event in events]
    first, *pieces, last = [chunk["choices"][0] for chunk in chunks]
    assert first["delta"] == {"role": "assistant", "content": ""}
    assert "".join(piece["delta"]["content"] for piece in pieces) == ANSWER
    assert last["delta"] == {}
    assert [each["finish_reason"] for each in (first, *pieces, last)] == [None] * (len(pieces) + 1) + ["stop"]
    assert len({(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert not any("usage" in chunk for chunk in chunks)


def test_usage_comes_last_in_a_stream_that_asks_for_it(client: openai.OpenAI) -> None:
    """With no choices; until then it is null."""
    plain = client.chat.completions.create(model="demo", messages=ADA, temperature=0)
    *chunks, last = client.chat.completions.create(
        model="demo", messages=ADA, temperature=0, stream=True, stream_options={"include_usage": True}
    )
    assert all(chunk.usage is None and "usage" in chunk.model_fields_set for chunk in chunks)
    assert last.choices == []
    assert last.usage and plain.usage
    assert last.usage.completion_tokens == plain.usage.completion_tokens
    assert last.usage.prompt_tokens == plain.usage.prompt_tokens


def test_choices_differ_and_a_seed_makes_an_answer_come_again(client: openai.OpenAI) -> None:
    def asked(n: int) -> list[str | None]:
        messages: Any = [{"role": "user", "content": "Tell me a story."}]
        found = client.chat.completions.create(
            model="demo", messages=messages, n=n, seed=5, max_tokens=8, temperature=2, top_p=1
        )
        assert [choice.index for choice in found.choices] == list(range(n))
        return [choice.message.content for choice in found.choices]

    assert len(set(asked(3))) == 3
    assert asked(1) == asked(1)


def test_what_was_computed_already_is_told(client: openai.OpenAI) -> None:
    """Of a prompt that was asked before, nearly all."""
    first, again = (client.chat.completions.create(model="demo", messages=ADA, temperature=0).usage for _ in range(2))
    assert first and again and again.prompt_tokens_details
    assert again.prompt_tokens_details.cached_tokens == first.prompt_tokens - 1


def test_choices_share_a_stream(client: openai.OpenAI) -> None:
    """Each with its role, its text and its reason; a prompt that they share counts once."""
    texts = {0: "", 1: "", 2: ""}
    roles, reasons, prompts = [], [], []
    for chunk in client.chat.completions.create(
        model="demo", messages=ADA, temperature=0, n=3, stream=True, stream_options={"include_usage": True}
    ):
        prompts += [(chunk.usage.prompt_tokens, chunk.usage.completion_tokens)] if chunk.usage else []
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            roles += [choice.delta.role] if choice.delta.role else []
            reasons += [choice.finish_reason] if choice.finish_reason else []
    single = client.chat.completions.create(model="demo", messages=ADA, temperature=0).usage
    assert single
    assert texts == {0: ANSWER, 1: ANSWER, 2: ANSWER}
    assert (roles, reasons) == (["assistant"] * 3, ["stop"] * 3)
    assert prompts == [(single.prompt_tokens, 3 * single.completion_tokens)]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_an_answer_can_be_limited(client: openai.OpenAI, name: str) -> None:
    limit: Any = {name: 4}
    found = client.chat.completions.create(model="demo", messages=ADA, temperature=0, **limit)
    assert found.choices[0].finish_reason == "length"
    assert found.usage and found.usage.completion_tokens == 4


def test_messages_come_in_every_dress(client: openai.OpenAI) -> None:
    """Parts of text, `developer` for `system`, names, answers without content."""

    def tokens(*messages: Any) -> int:
        found = client.chat.completions.create(model="demo", messages=messages, max_tokens=1)
        assert found.usage
        return found.usage.prompt_tokens

    system, user = {"role": "system", "content": "Be kind.\nBe short."}, {"role": "user", "content": "Hello"}
    parts = [{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be short."}]
    plain = tokens(system, user)
    assert tokens({"role": "developer", "content": parts}, user | {"name": "ada"}) == plain
    assert tokens(system, user, {"role": "assistant", "content": None}, user) > plain


def test_what_clients_send_besides_is_ignored(client: openai.OpenAI) -> None:
    """Unknown fields, and null for what is left out."""
    extra: Any = {"user": "u", "store": False, "metadata": {"a": "b"}, "reasoning_effort": "low", "cache_prompt": True}
    extra |= dict.fromkeys(("stop", "seed", "n", "tools", "response_format", "logit_bias", "max_tokens", "stream"))
    found = client.chat.completions.create(model="demo", messages=ADA, temperature=0, extra_body=extra)
    assert found.choices[0].message.content == ANSWER


def test_it_counts_like_any_answer(shared: Worker, client: openai.OpenAI) -> None:
    """Requests, which drains and bakes look at, and latency."""
    before = shared.deep()
    client.chat.completions.create(model="demo", messages=ADA, temperature=0)
    list(client.chat.completions.create(model="demo", messages=ADA, temperature=0, stream=True))
    after = shared.deep()
    assert after["requests"]["total"] == before["requests"]["total"] + 2
    assert after["requests"]["failed"] == before["requests"]["failed"]
    assert len(after["latency"]["recent"]) >= 2
    assert 'modelsvc_http_requests_total{code="200",route="/v1/chat/completions"}' in shared.get("/metrics").text
    assert shared.get("/chat/none").json()["messages"] == []


def test_models_are_the_one_that_is_served(client: openai.OpenAI) -> None:
    (model,) = client.models.list()
    assert (model.id, model.object, model.owned_by) == ("demo", "model", "modelsvc")
    assert client.models.retrieve("demo") == model
    with pytest.raises(
        openai.NotFoundError, match="there is no model 'gpt-4o': the one that is served is demo"
    ) as told:
        client.models.retrieve("gpt-4o")
    assert (told.value.code, told.value.param) == ("model_not_found", "model")
