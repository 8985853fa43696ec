"""What prompts have in common is computed once, and the answers are the same as if it were not."""

import asyncio
from pathlib import Path
from random import Random

import pytest
from tests.support.sliding_gguf import write_sliding
from tests.worker.test_engine import answer, ask, engine, request

from modelsvc.engine.engine import Engine
from modelsvc.engine.errors import DecodeFailed
from modelsvc.engine.model import Model
from modelsvc.engine.types import ChatPrompt, GenerationRequest, Message, Sampling, TextPrompt

SYSTEM = "You are a careful assistant. " * 12


def turns(*contents: str) -> GenerationRequest:
    roles = ("system", "user", "assistant", "user", "assistant", "user")
    messages = tuple(Message(role, content) for role, content in zip(roles, (SYSTEM, *contents), strict=False))
    return GenerationRequest(ChatPrompt(messages), 24, Sampling(temperature=0.0))


CONVERSATION = [
    turns("My name is Ada."),
    turns("My name is Ada.", "Nice to meet you, Ada.", "Count to 12."),
    turns("My name is Ada.", "Nice to meet you, Ada.", "Count to 12.", "1, 2, 3", "What is my name?"),
    turns("What is mmap?"),
    turns("My name is Ada."),
]


@pytest.fixture
def without_reuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "reusable", False)


async def one_by_one(subject: Engine) -> list[tuple[str, int]]:
    answers = [await answer(await subject.submit(each)) for each in CONVERSATION]
    return [(text, finished.usage.cached_tokens) for text, finished in answers]


async def all_at_once(subject: Engine) -> list[tuple[str, int]]:
    answers = await asyncio.gather(*[answer(await subject.submit(each)) for each in CONVERSATION])
    return [(text, finished.usage.cached_tokens) for text, finished in answers]


@pytest.mark.parametrize("how", [one_by_one, all_at_once])
@pytest.mark.parametrize("slots", [1, 3])
async def test_greedy_answers_are_the_same_with_and_without(
    model: Path, how: object, slots: int, request: pytest.FixtureRequest
) -> None:
    """For every order, from ended requests and from running ones."""
    async with engine(model, slots=slots) as subject:
        found = await how(subject)  # type: ignore[operator]
    request.getfixturevalue("without_reuse")
    async with engine(model, slots=slots) as subject:
        expected = await how(subject)  # type: ignore[operator]
    assert [text for text, _ in found] == [text for text, _ in expected]
    assert [cached for _, cached in expected] == [0] * len(CONVERSATION)
    assert all(cached > 50 for _, cached in found[1:])


async def test_greedy_answers_are_the_same_where_attention_looks_back_on_a_window(
    sliding: Path, request: pytest.FixtureRequest
) -> None:
    """What llama.cpp gives away of an ended request, cells that its own next token does not need, is not shared."""
    async with engine(sliding, context_tokens=512, slots=1) as subject:
        found = [await answer(await subject.submit(each)) for each in crowding()]
    request.getfixturevalue("without_reuse")
    async with engine(sliding, context_tokens=512, slots=1) as subject:
        expected = [await answer(await subject.submit(each)) for each in crowding()]
    assert [text for text, _ in found] == [text for text, _ in expected]


def crowding() -> list[GenerationRequest]:
    """The third needs the first one's cells, and takes some of the second's with them; the fourth begins as that."""
    rng = Random(1)
    first, second, third = ([rng.randrange(3, 300) for _ in range(length)] for length in (30, 280, 200))
    texts = (first, second, third, [*second[:200], *first[:20]])
    return [GenerationRequest(TextPrompt(tuple(text)), 8, Sampling(temperature=0.0)) for text in texts]


@pytest.fixture(scope="module")
def sliding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sliding") / "sliding.gguf"
    write_sliding(path, window=64)
    return path


async def test_a_model_that_cannot_share_has_as_many_lines_as_slots(model: Path, without_reuse: None) -> None:
    """Each costs a recurrent one a state; they suffice."""
    async with engine(model, slots=2) as subject:
        assert subject._context.lines == 2
        found = await asyncio.gather(*(ask(subject, "My name is Ada.") for _ in range(6)))
        assert {text for text, _ in found} == {"Nice to meet you, Ada."}


async def test_a_conversation_goes_on_from_where_it_was(model: Path) -> None:
    """Of the second turn only what is new is computed."""
    async with engine(model) as subject:
        _, first = await answer(await subject.submit(CONVERSATION[0]))
        _, second = await answer(await subject.submit(CONVERSATION[1]))
        assert second.usage.cached_tokens >= first.usage.prompt_tokens
        _, again = await answer(await subject.submit(CONVERSATION[1]))
        assert again.usage.cached_tokens == again.usage.prompt_tokens - 1


async def test_what_is_kept_gives_way_to_what_runs(model: Path) -> None:
    """A context filled by ended requests is as good as an empty one."""
    async with engine(model, context_tokens=256, slots=2) as subject:
        for number in range(12):
            text, finished = await ask(subject, f"Count to {10 + number}. " + "word " * (8 * number))
            assert finished.reason in ("stop", "length"), text
        assert subject.snapshot().cached_tokens <= 256


async def test_more_than_the_context_holds_at_once_is_answered_one_after_the_other(babble: Path) -> None:
    """Four answers of 300 tokens in a context of 512: none is cut, none fails, and each is what it is alone."""
    async with engine(babble, context_tokens=512, slots=4) as subject:
        alone = await ask(subject, "Hello", max_tokens=300)
        together = await asyncio.gather(*(ask(subject, "Hello", max_tokens=300) for _ in range(4)))
        assert [finished.usage.completion_tokens for _, finished in [alone, *together]] == [300] * 5


async def test_the_same_prompt_at_once_is_computed_once(model: Path) -> None:
    """As the choices of one request are."""
    async with engine(model) as subject:
        found = await asyncio.gather(*(ask(subject, "What is a rollback? " * 20) for _ in range(4)))
        prompt = found[0][1].usage.prompt_tokens
        assert sorted(finished.usage.cached_tokens for _, finished in found) == [0, *[prompt - 1] * 3]
        assert len({text for text, _ in found}) == 1


async def test_an_answer_may_take_what_is_left_of_the_context(babble: Path) -> None:
    """Without `max_tokens`."""
    async with engine(babble, context_tokens=256) as subject:
        wanted = GenerationRequest(request("Hello").prompt, None, Sampling(temperature=0.0))
        _, finished = await answer(await subject.submit(wanted))
        assert finished.reason == "length"
        assert finished.usage.prompt_tokens + finished.usage.completion_tokens == 256


async def test_what_is_given_up_between_requests_is_given_up_in_the_cache_too(model: Path) -> None:
    """A cancellation that comes too late is a step with nothing to compute; its edits count nevertheless."""
    async with engine(model, slots=2) as subject:
        answers: dict[int, str] = {}
        for number in range(120):
            which = number % 7 if number > 60 else number
            generation = await subject.submit(request(f"Count to {which + 3}. " + "word " * (which % 5 * 12), 60))
            text, _ = await answer(generation)
            generation.cancel()
            assert answers.setdefault(which, text) == text


async def test_after_a_step_that_failed_nothing_of_the_cache_is_trusted(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever went wrong, the next request is computed from its beginning."""
    async with engine(model) as subject:
        first, _ = await ask(subject, "What is a rollback? " * 10)
        monkeypatch.setattr(subject._context, "decode", failing)
        with pytest.raises(DecodeFailed):
            await ask(subject, "What is a rollback? " * 10)
        monkeypatch.undo()
        again, finished = await ask(subject, "What is a rollback? " * 10)
        assert (again, finished.usage.cached_tokens) == (first, 0)


async def test_steps_that_fail_are_counted_until_one_does_not(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readiness is judged by them."""
    async with engine(model) as subject:
        monkeypatch.setattr(subject._context, "decode", failing)
        for count in range(1, 4):
            with pytest.raises(DecodeFailed):
                await ask(subject, "Hello")
            await settled(subject, count)
        monkeypatch.undo()
        await ask(subject, "Hello")
        await settled(subject, 0)


async def settled(subject: Engine, failed_steps: int) -> None:
    """The pulse is published after the news of a step."""
    async with asyncio.timeout(10):
        while subject.snapshot().failed_steps != failed_steps:
            await asyncio.sleep(0.001)


def failing(_: object) -> list[int]:
    raise DecodeFailed("it was told to")
