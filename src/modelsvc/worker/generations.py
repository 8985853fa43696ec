"""Generations: let in, counted when they end, and given back when their request is over."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from typing import NamedTuple

from modelsvc.engine.engine import Engine
from modelsvc.engine.errors import (
    DeadlineExceeded,
    EmbeddingsRefused,
    EngineError,
    GrammarTooSlow,
    PromptRefused,
    PromptTooLong,
    QueueFull,
    ToolsRefused,
)
from modelsvc.engine.generation import Generation
from modelsvc.engine.types import EmbeddingRequest, Event, Finished, GenerationRequest, Request
from modelsvc.worker.errors import HttpError
from modelsvc.worker.service import Service

Numbered = tuple[int, Event]


class Embedded(NamedTuple):
    vector: tuple[float, ...]
    prompt_tokens: int


async def generate(
    service: Service, requests: Sequence[GenerationRequest], held: AsyncExitStack
) -> AsyncIterator[Numbered]:
    """Submit all or none of the requests, and return their events as they come, each with its request's number.

    Raises the EngineError by which one is refused. `held` takes what must be given back when the request is over.
    """
    generations = await _submitted(service.usable_engine(), requests, held)
    return _merged([counted(generation, service) for generation in generations])


async def embed(
    service: Service, requests: Sequence[EmbeddingRequest], held: AsyncExitStack, *, let_in: bool = False
) -> list[Embedded]:
    """The same for embeddings: all are awaited. `let_in`: they are the next part of a list that was let in."""
    generations = await _submitted(service.usable_engine(), requests, held, let_in=let_in)
    return [await _embedded(generation, service) for generation in generations]


async def _embedded(generation: Generation, service: Service) -> Embedded:
    (finished,) = [event async for event in counted(generation, service) if isinstance(event, Finished)]
    return Embedded(generation.embedding, finished.usage.prompt_tokens)


async def _submitted(
    engine: Engine, requests: Sequence[Request], held: AsyncExitStack, *, let_in: bool = False
) -> list[Generation]:
    generations = []
    with ExitStack() as all_places:
        doors = [all_places.enter_context(ExitStack()) for _ in requests]
        # all, before the first of them has to wait
        places = [door.enter_context(engine.enter(let_in=let_in)) for door in doors]
        for door, place, request in zip(doors, places, requests, strict=True):
            with door:
                generations.append(await place.submit(request))
            held.callback(generations[-1].cancel)
    return generations


async def counted(events: AsyncIterator[Event], service: Service) -> AsyncIterator[Event]:
    """The events; the last one is counted before it passes."""
    async for event in events:
        if isinstance(event, Finished):
            service.metrics.generated(event)
            service.latency.took(event)
        yield event


async def _merged(streams: Sequence[AsyncIterator[Event]]) -> AsyncIterator[Numbered]:
    coming = {_next(stream): number for number, stream in enumerate(streams)}
    try:
        while coming:
            come, _ = await asyncio.wait(coming, return_when=asyncio.FIRST_COMPLETED)
            for each in come:
                number, event = coming.pop(each), each.result()
                if not isinstance(event, Finished):
                    coming[_next(streams[number])] = number
                yield number, event
    finally:
        for each in coming:
            each.cancel()


def _next(stream: AsyncIterator[Event]) -> "asyncio.Future[Event]":
    return asyncio.ensure_future(anext(stream))


def as_http(error: EngineError) -> HttpError:
    match error:
        case QueueFull():
            return HttpError(429, "queue_full", str(error), error.retry_after_s)
        case PromptTooLong():
            return HttpError(400, "prompt_too_long", str(error))
        case ToolsRefused():
            return HttpError(400, "tools_not_supported", str(error), param="tools")
        case EmbeddingsRefused():
            return HttpError(400, "embeddings_not_supported", str(error))
        case GrammarTooSlow():  # and it would be again: nobody is to ask for it elsewhere
            return HttpError(400, "grammar_too_slow", str(error))
        case PromptRefused():  # after the kinds of it
            return HttpError(400, "prompt_refused", str(error))
        case DeadlineExceeded():  # no 504: the edge has its own, and how long a client waits is no failure of a release
            return HttpError(429, "deadline_exceeded", str(error), 1)
        case _:
            return HttpError(503, "engine_failed", f"{error}: try again", 1)
