"""Text completions, as clients of OpenAI's API ask for them, with its own package, of a real worker."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from tests.worker.harness import Worker
from tests.worker.openai_clients import ADA, ANSWER, async_client_of, client_of

PROMPT = "<|im_start|>user\nMy name is Ada.<|im_end|>\n<|im_start|>assistant\n"  # control tokens are meant here
ASKED: Any = {"model": "demo", "prompt": PROMPT, "temperature": 0}


@pytest.fixture
def client(shared: Worker) -> Iterator[openai.OpenAI]:
    with client_of(shared) as client:
        yield client


def test_a_text_is_continued(client: openai.OpenAI) -> None:
    found = client.completions.create(**ASKED)
    (choice,) = found.choices
    assert (choice.text, choice.finish_reason, choice.index, choice.logprobs) == (ANSWER, "stop", 0, None)
    assert (found.object, found.model) == ("text_completion", "demo")
    assert found.id.startswith("cmpl-")
    assert found.usage
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens


def test_it_ends_after_16_tokens_unless_more_are_wanted(client: openai.OpenAI) -> None:
    """As OpenAI documents."""
    story = "<|im_start|>user\nTell me a story.<|im_end|>\n<|im_start|>assistant\n"
    for limit, tokens in (({}, 16), ({"max_tokens": 20}, 20)):
        extra: Any = {"logit_bias": {"2": -100, "0": -100}} | limit  # it does not end by itself
        found = client.completions.create(model="demo", prompt=story, temperature=0, **extra)
        assert found.usage and found.usage.completion_tokens == tokens
        assert found.choices[0].finish_reason == "length"


async def test_a_stream_is_the_same_in_pieces(shared: Worker) -> None:
    async with async_client_of(shared) as client:
        stream = await client.completions.create(**ASKED, stream=True, stream_options={"include_usage": True})
        *chunks, last = [chunk async for chunk in stream]
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.text for choice in choices) == ANSWER
    assert len(choices) > 3
    assert [choice.finish_reason for choice in choices] == [None] * (len(choices) - 1) + ["stop"]
    assert last.choices == [] and last.usage and last.usage.completion_tokens >= len(choices) - 1


def test_several_prompts_are_several_choices(client: openai.OpenAI) -> None:
    """In their order, each `n` times; usage is of all, and a prompt counts once."""
    single = client.completions.create(**ASKED).usage
    found = client.completions.create(**(ASKED | {"prompt": [PROMPT, PROMPT]}), n=2)
    assert [(choice.index, choice.text) for choice in found.choices] == [(index, ANSWER) for index in range(4)]
    assert single and found.usage
    assert found.usage.prompt_tokens == 2 * single.prompt_tokens
    assert found.usage.completion_tokens == 4 * single.completion_tokens


def test_tokens_are_prompts_as_well(client: openai.OpenAI) -> None:
    """One prompt, or several; echoed as text."""
    hello = [*range(70, 75)]
    for prompt in (hello, [hello], [hello, hello]):
        found = client.completions.create(model="demo", prompt=prompt, max_tokens=1, echo=True)
        count = 2 if prompt == [hello, hello] else 1
        assert len(found.choices) == count
        assert found.usage and found.usage.prompt_tokens == 5 * count
        assert all(len(choice.text) >= 5 for choice in found.choices)


def test_a_prompt_may_be_echoed(client: openai.OpenAI) -> None:
    """Plain and streaming."""
    assert client.completions.create(**ASKED, echo=True).choices[0].text == PROMPT + ANSWER
    chunks = client.completions.create(**ASKED, echo=True, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == PROMPT + ANSWER


def test_probabilities_are_told_token_by_token(client: openai.OpenAI) -> None:
    """With where each begins, and the most probable ones beside it."""
    choice = client.completions.create(**ASKED, logprobs=2).choices[0]
    told = choice.logprobs
    assert told and told.tokens and told.token_logprobs and told.top_logprobs and told.text_offset
    assert "".join(told.tokens) == choice.text
    assert [choice.text[at:].startswith(token) for at, token in zip(told.text_offset, told.tokens, strict=True)]
    for token, logprob, top in zip(told.tokens, told.token_logprobs, told.top_logprobs, strict=True):
        assert top[token] == logprob == max(top.values()) <= 0
        assert len(top) >= 2
    streamed: list[str] = []
    for chunk in client.completions.create(**ASKED, logprobs=0, stream=True):
        for each in chunk.choices:
            streamed += each.logprobs.tokens or [] if each.logprobs else []
    assert streamed == told.tokens


BAD: list[tuple[dict[str, Any], str, str, str]] = [
    ({"prompt": None}, "prompt", "invalid_field", "not None"),
    ({"prompt": []}, "prompt", "invalid_field", "length >= 1"),
    ({"prompt": ["a", 1]}, "prompt", "invalid_field", "texts or tokens, not both"),
    ({"prompt": [[]]}, "prompt[0]", "invalid_field", "length >= 1"),
    ({"prompt": [10**6]}, "None", "prompt_refused", "there is no token 1000000"),
    ({"prompt": [10**6], "echo": True}, "None", "prompt_refused", "there is no token 1000000"),
    ({"prompt": ""}, "None", "prompt_refused", "the prompt is empty"),
    ({"suffix": "x"}, "suffix", "invalid_field", "at its end only"),
    ({"best_of": 3}, "best_of", "invalid_field", "is not n (1)"),
    ({"logprobs": 21}, "logprobs", "invalid_field", "<= 20"),
    ({"logprobs": True}, "logprobs", "invalid_field", "must be a whole number or null, not True"),
    ({"logprobs": 1, "echo": True}, "logprobs", "invalid_field", "has none"),
    ({"n": 6, "prompt": ["a", "b"]}, "n", "too_many_choices", "12 answers at once: at most 10"),
]


@pytest.mark.parametrize(("fields", "param", "code", "words"), BAD, ids=[str(fields) for fields, *_ in BAD])
def test_wrong_fields_are_bad_requests(
    client: openai.OpenAI, fields: dict[str, Any], param: str, code: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        client.completions.create(model="demo", prompt="Hello", extra_body=fields)
    assert (str(told.value.param), told.value.code) == (param, code)
    assert words in told.value.message


def test_best_of_may_say_what_n_says(client: openai.OpenAI) -> None:
    assert len(client.completions.create(**ASKED, n=2, best_of=2).choices) == 2


def test_chat_and_completion_are_the_same_engine(client: openai.OpenAI) -> None:
    """A chat is its template's text continued."""
    chat = client.chat.completions.create(model="demo", messages=ADA, temperature=0)
    text = client.completions.create(**ASKED)
    assert chat.usage and text.usage
    assert chat.usage.prompt_tokens == text.usage.prompt_tokens
