"""The engine on the demo model, without a server around it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelsvc.engine.engine import Engine
from modelsvc.engine.errors import EngineStopped, LoadFailed, PromptRefused, PromptTooLong, QueueFull
from modelsvc.engine.generation import Generation
from modelsvc.engine.model import Model
from modelsvc.engine.steps import Piece
from modelsvc.engine.types import ChatPrompt, EngineOptions, Finished, GenerationRequest, Message, Sampling, Token

QUESTIONS = [f"Count to {number}." for number in (3, 5, 10, 12, 20, 25, 30)] + ["What is drain?", "What is mmap?"]


@asynccontextmanager
async def engine(model: Path, **changes: Any) -> AsyncIterator[Engine]:
    usual = EngineOptions(context_tokens=2048, slots=4, threads=1, gpu_layers=0, kv_cache="f16", queue_limit=20)
    loaded = await asyncio.to_thread(Engine.load, str(model), replace(usual, **changes), lambda _: True)
    try:
        yield loaded
    finally:
        await loaded.close()


def request(text: str, max_tokens: int = 200, **sampling: Any) -> GenerationRequest:
    return GenerationRequest(
        ChatPrompt((Message("user", text),)), max_tokens, Sampling(**{"temperature": 0.0} | sampling)
    )


async def answer(generation: Generation) -> tuple[str, Finished]:
    text = ""
    async for event in generation:
        match event:
            case Token(part):
                text += part
            case Finished():
                return text, event
    raise AssertionError("no end")


async def ask(subject: Engine, text: str, **options: Any) -> tuple[str, Finished]:
    return await answer(await subject.submit(request(text, **options)))


async def test_an_answer_has_its_usage_and_timings(model: Path) -> None:
    async with engine(model) as subject:
        text, finished = await ask(subject, "My name is Ada.")
        assert text == "Nice to meet you, Ada."
        assert finished.reason == "stop"
        assert finished.usage.prompt_tokens > 5
        assert finished.usage.completion_tokens > 3
        assert finished.timings.first_token_seconds >= finished.timings.prefill_seconds > 0
        assert subject.model.mapped_bytes > 0
        assert (subject.model.copied_bytes, subject.model.repacked) == (0, False)


async def test_decoding_together_answers_as_decoding_alone(model: Path) -> None:
    """Sequences do not see each other."""
    async with engine(model, slots=1) as alone:
        expected = [(await ask(alone, question))[0] for question in QUESTIONS]
    async with engine(model) as together:
        found = await asyncio.gather(*(ask(together, question) for question in QUESTIONS))
        assert [text for text, _ in found] == expected


async def test_max_tokens_ends_an_answer(model: Path) -> None:
    async with engine(model) as subject:
        _, finished = await ask(subject, "Count to 30.", max_tokens=5)
        assert (finished.reason, finished.usage.completion_tokens) == ("length", 5)


async def test_a_seed_makes_hot_sampling_repeatable(babble: Path) -> None:
    """From the same state of the cache: a prompt computed in another way may differ in the last bit."""
    async with engine(babble) as subject:
        await ask(subject, "Hello", max_tokens=1)
        first, second, other = [(await ask(subject, "Hello", temperature=2.0, seed=seed))[0] for seed in (1, 1, 2)]
        assert first == second != other


async def test_a_quantised_cache_answers_too(model: Path) -> None:
    async with engine(model, kv_cache="q8_0") as subject:
        assert (await ask(subject, "My name is Ada."))[0] == "Nice to meet you, Ada."


async def test_a_full_queue_refuses_at_once(babble: Path) -> None:
    async with engine(babble, slots=1, queue_limit=1) as subject:
        running = [await subject.submit(request("Hello", 1000)) for _ in range(2)]
        with pytest.raises(QueueFull, match="1 requests are waiting"):
            await subject.submit(request("one too many"))
        for generation in running:
            generation.cancel()
        assert [(await answer(generation))[1].reason for generation in running] == ["cancelled"] * 2
        assert (await ask(subject, "Hello", max_tokens=3))[1].usage.completion_tokens == 3


async def test_who_was_let_in_is_not_refused_afterwards(babble: Path) -> None:
    """A request that waited for another to end keeps its place, whoever came meanwhile."""
    async with engine(babble, slots=1, queue_limit=2) as subject:
        running = await subject.submit(request("Hello", 1000))
        await anext(running)
        with subject.enter(held_back=True) as place:
            queued = await subject.submit(request("Hello", 1000))
            for held_back in (True, False):
                with pytest.raises(QueueFull, match="2 requests are waiting"), subject.enter(held_back=held_back):
                    pass
            assert subject.snapshot().waiting == 2
            place.held_back = False
            late = await place.submit(request("Hello", 3))
        running.cancel()
        queued.cancel()
        assert (await answer(late))[1].usage.completion_tokens == 3


async def test_a_place_is_free_again_however_it_is_left(model: Path) -> None:
    async with engine(model, slots=1, queue_limit=1) as subject:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError), subject.enter(held_back=True):
                raise ZeroDivisionError
        assert (subject.snapshot().waiting, subject.snapshot().oldest_wait_s) == (0, None)


async def test_a_prompt_of_a_single_step_counts_as_prefilling(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While that step is computed, and not for the steps after it: how long one may take depends on it."""
    async with engine(model) as subject:
        seen: list[bool] = []
        decode = subject._context.decode

        def watched(pieces: Sequence[Piece]) -> list[int]:
            seen.append(subject.snapshot().prefilling)
            return decode(pieces)

        monkeypatch.setattr(subject._context, "decode", watched)
        await ask(subject, "Count to 30.", max_tokens=4)
        assert seen == [True, False, False, False]


class Held:
    """Steps that begin, and are not computed until `release`."""

    def __init__(self, subject: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self._released = threading.Event(), threading.Event()
        self._decode = subject._context.decode
        monkeypatch.setattr(subject._context, "decode", self._computed)

    def release(self) -> None:
        self._released.set()

    def _computed(self, pieces: Sequence[Piece]) -> list[int]:
        self.begun.set()
        assert self._released.wait(30)
        return self._decode(pieces)


async def test_a_request_is_in_flight_while_its_first_step_is_computed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large model takes seconds for it."""
    async with engine(model) as subject:
        held = Held(subject, monkeypatch)
        generation = await subject.submit(request("Hello", 3))
        try:
            async with asyncio.timeout(20):
                while not subject.snapshot().in_flight:
                    await asyncio.sleep(0.01)
            assert subject.snapshot().waiting == 0
        finally:
            held.release()
        assert (await answer(generation))[1].usage.completion_tokens == 3


async def test_no_news_is_kept_back_when_the_decoding_thread_changes(
    babble: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last request is cancelled, and the loop handed over, while one step is computed."""
    async with engine(babble) as subject:
        generation = await subject.submit(request("Hello", 1000))
        await anext(generation)
        held = Held(subject, monkeypatch)
        assert await asyncio.to_thread(held.begun.wait, 20)
        generation.cancel()
        subject._decoder._hand_over()
        held.release()
        async with asyncio.timeout(20):
            assert (await answer(generation))[1].reason == "cancelled"
        assert (await ask(subject, "Hello", max_tokens=3))[1].usage.completion_tokens == 3


async def test_a_prompt_without_tokens_is_refused(babble: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template may leave out whatever was said; there is nothing to compute then."""
    monkeypatch.setattr(Model, "chat_template", "{{ '' }}")
    async with engine(babble) as subject:
        for shorten in (True, False):
            prompt = ChatPrompt((Message("user", "Hello"),), shorten=shorten)
            with pytest.raises(PromptRefused, match="the prompt is empty"):
                await subject.submit(GenerationRequest(prompt, 5))


async def test_a_message_that_does_not_fit_is_refused(model: Path) -> None:
    async with engine(model, context_tokens=256) as subject:
        with pytest.raises(PromptTooLong, match="tokens, but this model's maximum context length is 256"):
            await subject.submit(request("word " * 500))


async def test_typed_control_tokens_do_not_end_the_turn(model: Path) -> None:
    """They take several tokens, as text does; as a control token each would be one."""
    async with engine(model) as subject:
        _, typed = await ask(subject, "Hello <|im_end|>")
        _, plain = await ask(subject, "Hello ")
        assert typed.usage.prompt_tokens > plain.usage.prompt_tokens + 1


async def test_closing_tells_those_who_wait(babble: Path) -> None:
    async with engine(babble) as subject:
        generation = await subject.submit(request("Hello", 1000))
        await subject.close()
        with pytest.raises(EngineStopped):
            await answer(generation)
        with pytest.raises(EngineStopped):
            await subject.submit(request("Hi"))


async def test_who_has_a_place_when_it_closes_is_told_as_well(model: Path) -> None:
    async with engine(model) as subject:
        with subject.enter(held_back=True) as place:
            await subject.close()
            with pytest.raises(EngineStopped):
                await place.submit(request("Hi"))


async def test_loading_can_be_given_up(model: Path) -> None:
    options = EngineOptions(512, 1, 1, 0, "f16", 1)
    with pytest.raises(LoadFailed):
        await asyncio.to_thread(Engine.load, str(model), options, lambda _: False)


async def test_a_damaged_file_is_told_in_llama_cpps_words(model: Path, tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(model.read_bytes()[:-1000])
    with pytest.raises(LoadFailed, match="not within the file bounds"):
        await asyncio.to_thread(
            Engine.load, str(tmp_path / "m.gguf"), EngineOptions(512, 1, 1, 0, "f16", 1), lambda _: True
        )
