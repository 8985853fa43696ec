"""What a request may ask of its answer, through the whole engine: ends, shapes, probabilities."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelsvc.engine import guide
from modelsvc.engine.engine import Engine
from modelsvc.engine.errors import GrammarTooSlow, SamplingRefused
from modelsvc.engine.grammar import object_grammar, schema_grammar
from modelsvc.engine.types import ChatPrompt, EngineOptions, Finished, GenerationRequest, Message, Sampling, Token

GREEDY = Sampling(temperature=0.0)


@asynccontextmanager
async def engine(model: Path) -> AsyncIterator[Engine]:
    options = EngineOptions(1024, slots=4, threads=1, gpu_layers=0, kv_cache="f16", queue_limit=20)
    loaded = await asyncio.to_thread(Engine.load, str(model), options, lambda _: True)
    try:
        yield loaded
    finally:
        await loaded.close()


def request(text: str, sampling: Sampling = GREEDY, **options: Any) -> GenerationRequest:
    return GenerationRequest(ChatPrompt((Message("user", text),)), **{"max_tokens": 200} | options, sampling=sampling)


async def answer(subject: Engine, asked: GenerationRequest) -> tuple[list[Token], Finished]:
    events = [event async for event in await subject.submit(asked)]
    *tokens, finished = events
    assert isinstance(finished, Finished)
    return [token for token in tokens if isinstance(token, Token)], finished


def joined(tokens: list[Token]) -> str:
    return "".join(token.text for token in tokens)


@pytest.mark.parametrize("stop", ["to meet", " you,", "eet y", "A"])
async def test_an_answer_ends_before_a_stop_string(model: Path, stop: str) -> None:
    async with engine(model) as subject:
        whole = joined((await answer(subject, request("My name is Ada.")))[0])
        tokens, finished = await answer(subject, request("My name is Ada.", stop=("never", stop)))
        assert joined(tokens) == whole[: whole.index(stop)]
        assert finished.reason == "stop"
        unstopped, _ = await answer(subject, request("My name is Ada.", stop=("never",)))
        assert joined(unstopped) == whole


async def test_log_probabilities_spell_the_answer(model: Path) -> None:
    async with engine(model) as subject:
        tokens, finished = await answer(subject, request("My name is Ada.", logprobs=2))
        drawn = [drawn for token in tokens for drawn in token.drawn]
        assert b"".join(entry.chosen.piece for entry in drawn).decode() == joined(tokens)
        assert len(drawn) == finished.usage.completion_tokens
        assert all(
            entry.chosen == entry.top[0] and entry.top[1].logprob <= entry.top[0].logprob <= 0 for entry in drawn
        )


async def test_a_schema_shapes_the_answer(babble: Path) -> None:
    """Several at once, each with its own grammar, beside an answer without any."""
    schemas = [{"type": "array", "items": {"const": n}, "minItems": 3, "maxItems": 3} for n in range(6)]
    async with engine(babble) as subject:
        hot = Sampling(temperature=1.0, seed=1)
        shaped = [request("Hello", replace(hot, grammar=schema_grammar(schema))) for schema in schemas]
        *found, (_, plain) = await asyncio.gather(*(answer(subject, one) for one in [*shaped, request("Hello", hot)]))
        assert [json.loads(joined(tokens)) for tokens, _ in found] == [[n] * 3 for n in range(6)]
        assert {finished.reason for _, finished in found} == {"stop"}
        assert plain.usage.completion_tokens > 0


async def test_a_cut_json_answer_says_length(babble: Path) -> None:
    async with engine(babble) as subject:
        asked = request("Hello", Sampling(temperature=1.0, seed=1, grammar=object_grammar()), max_tokens=3)
        tokens, finished = await answer(subject, asked)
        assert finished.reason == "length"
        assert joined(tokens).startswith("{")


async def test_a_grammar_that_cannot_be_read_is_refused_before_it_waits(model: Path) -> None:
    async with engine(model) as subject:
        with pytest.raises(SamplingRefused, match="cannot read the grammar"):
            await subject.submit(request("Hello", Sampling(grammar="root ::= (")))
        assert subject.snapshot().in_flight == subject.snapshot().waiting == 0


async def test_a_grammar_that_explodes_ends_its_request_alone(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide, "ACCEPT_S", -1.0)
    async with engine(model) as subject:
        slow = await subject.submit(request("Hello", Sampling(grammar='root ::= "a"+')))
        fine = answer(subject, request("My name is Ada."))
        with pytest.raises(GrammarTooSlow):
            await anext(slow)
        assert joined((await fine)[0]) == "Nice to meet you, Ada."
