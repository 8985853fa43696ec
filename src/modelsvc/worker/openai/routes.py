"""/v1: what clients of OpenAI's API speak."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from modelsvc.engine.engine import Engine
from modelsvc.engine.errors import DeadlineExceeded, EngineError, PromptTooLong
from modelsvc.engine.types import EmbeddingRequest, GenerationRequest, TextPrompt
from modelsvc.worker.defaults import defaults_of
from modelsvc.worker.errors import HttpError, shown
from modelsvc.worker.exchanges import AnyRequest, clients_ask, exchange_of, to_the_end
from modelsvc.worker.generations import Embedded, Numbered, as_http, embed, generate
from modelsvc.worker.openai.answer import Answer, Kind, broken_off, model_id
from modelsvc.worker.openai.chat_choice import chat_choices
from modelsvc.worker.openai.chat_request import chat_requests, parse_chat
from modelsvc.worker.openai.embeddings import embedding_list, embedding_requests, parse_embedding
from modelsvc.worker.openai.replies import ChatChunk, ChatCompletion, ModelCard, ModelList, TextCompletion
from modelsvc.worker.openai.text_choice import text_choices
from modelsvc.worker.openai.text_request import TextRequest, parse_text, prompts, text_requests
from modelsvc.worker.openai.tools import toolbox
from modelsvc.worker.openai.wanted import Wanted
from modelsvc.worker.presence import unless_gone
from modelsvc.worker.release import Release, Settings
from modelsvc.worker.service import Service

CHAT = Kind("chatcmpl", ChatCompletion, ChatChunk)
TEXT = Kind("cmpl", TextCompletion, TextCompletion)


def openai_routes(service: Service) -> list[HTTPRouteHandler]:
    identity = service.identity
    defaults = defaults_of(identity.release.settings)

    async def answered(
        request: AnyRequest, wanted: Wanted, requests: Sequence[GenerationRequest], answer: Answer
    ) -> Response[Any]:
        _check_count(wanted, len(requests), identity.release.settings)
        clients_ask(request, service)
        exchange = exchange_of(request)
        events = await unless_gone(request.receive, _begun(service, requests, request))
        if not wanted.stream:
            return Response(await unless_gone(request.receive, _whole(answer, events)))
        told = answer.stream(events, with_usage=wanted.with_usage)
        return Stream(to_the_end(told, exchange, broken_off), media_type="text/event-stream", headers=_UNCACHED)

    @post("/v1/chat/completions", status_code=200)
    async def chat_completions(request: AnyRequest) -> Response[Any]:
        asked = parse_chat(await request.body())
        syntax = service.usable_engine().tool_syntax
        tools = toolbox(asked.tools, asked.tool_choice, asked.parallel_tool_calls, syntax)
        requests = chat_requests(asked, tools, defaults)
        choices = chat_choices(asked, tools)
        return await answered(request, asked, requests, Answer(CHAT, identity, choices, asked.choices))

    @post("/v1/completions", status_code=200)
    async def completions(request: AnyRequest) -> Response[Any]:
        asked = parse_text(await request.body())
        texts = prompts(asked)
        requests = text_requests(asked, texts, defaults)
        choices = text_choices(asked, _echoes(asked, texts, service.usable_engine()))
        return await answered(request, asked, requests, Answer(TEXT, identity, choices, asked.choices))

    @post("/v1/embeddings", status_code=200)
    async def embeddings(request: AnyRequest) -> Response[Any]:
        asked = parse_embedding(await request.body())
        requests = embedding_requests(asked)
        clients_ask(request, service)
        found = await unless_gone(request.receive, _embedded(service, requests, request))
        return Response(embedding_list(asked, found, model_id(identity.release)))

    @get("/v1/models")
    async def models() -> ModelList:
        return ModelList(data=[_card(identity.release)])

    @get("/v1/models/{model:str}")
    async def one_model(model: str) -> ModelCard:
        card = _card(identity.release)
        if model != card.id:
            told = f"there is no model {shown(model)}: the one that is served is {card.id}"
            raise HttpError(404, "model_not_found", told, param="model")
        return card

    return [chat_completions, completions, embeddings, models, one_model]


_UNCACHED = {"Cache-Control": "no-cache"}


async def _embedded(service: Service, requests: Sequence[EmbeddingRequest], request: AnyRequest) -> list[Embedded]:
    """As many at a time as there are slots: a long list is no crowd of requests. Together they have the time of one.

    The first decide whether it is let in; a list that was is not refused when it is half done.
    """
    slots, held = service.identity.release.settings.slots, exchange_of(request).held
    starts = range(0, len(requests), slots)
    timeout_s = requests[0].timeout_s
    try:
        async with asyncio.timeout(timeout_s):
            return [
                each
                for start in starts
                for each in await embed(service, requests[start : start + slots], held, let_in=start > 0)
            ]
    except TimeoutError as error:
        raise _as_http(DeadlineExceeded(timeout_s or 0.0)) from error
    except EngineError as error:
        raise _as_http(error) from error


def _echoes(asked: TextRequest, texts: Sequence[TextPrompt], engine: Engine) -> list[str]:
    try:
        return [engine.text_of(text) if asked.echo else "" for text in texts]
    except EngineError as error:
        raise _as_http(error) from error


def _check_count(wanted: Wanted, count: int, settings: Settings) -> None:
    limit = settings.slots + settings.queue_limit
    if count > limit:
        told = f"the request asks for {count} answers at once: at most {limit} (model.slots + model.queue_limit)"
        raise HttpError(400, "too_many_choices", told, param="n" if wanted.choices > 1 else "prompt")


async def _begun(
    service: Service, requests: Sequence[GenerationRequest], request: AnyRequest
) -> AsyncIterator[Numbered]:
    """The events, once there is one: until then the answer may still be a refusal, and be asked for elsewhere."""
    try:
        events = await generate(service, requests, exchange_of(request).held)
        first = await anext(events)
    except EngineError as error:
        raise _as_http(error) from error
    return _with(first, events)


async def _with(first: Numbered, others: AsyncIterator[Numbered]) -> AsyncIterator[Numbered]:
    yield first
    async for each in others:
        yield each


async def _whole(answer: Answer, events: AsyncIterator[Numbered]) -> Any:
    try:
        return await answer.whole(events)
    except EngineError as error:
        raise _as_http(error) from error


def _as_http(error: EngineError) -> HttpError:
    if isinstance(error, PromptTooLong):
        return HttpError(400, "context_length_exceeded", str(error))
    return as_http(error)


def _card(release: Release) -> ModelCard:
    return ModelCard(id=model_id(release), created=release.model.mtime_ns // 10**9, owned_by="modelsvc")
