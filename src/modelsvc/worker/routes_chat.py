"""POST, GET and DELETE /chat."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import msgspec
from litestar import Response, delete, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.response import ServerSentEvent, ServerSentEventMessage

from modelsvc.engine.errors import EngineError
from modelsvc.engine.types import Event, Finished, Token
from modelsvc.worker.chat import Chat
from modelsvc.worker.errors import HttpError
from modelsvc.worker.exchanges import AnyRequest, clients_ask, exchange_of, to_the_end
from modelsvc.worker.generations import as_http
from modelsvc.worker.history import NotErased
from modelsvc.worker.presence import unless_gone
from modelsvc.worker.schema import parse_ask, parse_request_id, parse_user_id, scoped
from modelsvc.worker.service import Identity, Service

REQUEST_HEADER = "X-Modelsvc-Request"
_NOT_ERASED = (
    "the conversation is deleted, but traces of it may still be in the database's log, which others read just now:"
    " delete it again"
)


def chat_routes(service: Service) -> list[HTTPRouteHandler]:
    chat = Chat(service)
    identity = service.identity

    async def turn(request: AnyRequest, user_id: str | None) -> Response[Any]:
        ask = parse_ask(await request.body())
        clients_ask(request, service)
        exchange = exchange_of(request)
        asked = chat.ask(ask, user_id, exchange.held, parse_request_id(request.headers.get(REQUEST_HEADER)))
        events = await unless_gone(request.receive, asked)
        if ask.stream:
            return ServerSentEvent(to_the_end(_stream(events, identity), exchange, _broken_off))
        return Response(await unless_gone(request.receive, _whole(events, identity)))

    @post("/chat", status_code=200)
    async def ask_once(request: AnyRequest) -> Response[Any]:
        return await turn(request, None)

    @post("/chat/{user_id:str}", status_code=200)
    async def ask_as_user(request: AnyRequest, user_id: str) -> Response[Any]:
        return await turn(request, _owner(request, user_id))

    @get("/chat/{user_id:str}")
    async def read_history(request: AnyRequest, user_id: str) -> dict[str, Any]:
        messages = await service.history.read(_owner(request, user_id))
        return {"user_id": user_id, "messages": [message._asdict() for message in messages]}

    @delete("/chat/{user_id:str}", status_code=200)
    async def forget_history(request: AnyRequest, user_id: str) -> dict[str, int]:
        owner = _owner(request, user_id)
        async with chat.turn_of(owner):
            try:
                return {"deleted": await service.history.forget(owner)}
            except NotErased as error:
                raise HttpError(503, "not_erased", _NOT_ERASED, 1) from error

    return [ask_once, ask_as_user, read_history, forget_history]


def _owner(request: AnyRequest, user_id: str) -> str:
    return scoped(parse_user_id(user_id), exchange_of(request).caller)


async def _whole(events: AsyncIterator[Event], identity: Identity) -> dict[str, Any]:
    parts: list[str] = []
    try:
        async for event in events:
            match event:
                case Token(text):
                    parts.append(text)
                case Finished():
                    return _answer("".join(parts), event, identity)
    except EngineError as error:
        raise as_http(error) from error
    raise RuntimeError("a generation ended without saying so")


async def _stream(events: AsyncIterator[Event], identity: Identity) -> AsyncIterator[ServerSentEventMessage]:
    parts: list[str] = []
    async for event in events:
        match event:
            case Token(text):
                parts.append(text)
                yield _event("token", {"text": text})
            case Finished():
                yield _event("done", _answer("".join(parts), event, identity))


def _broken_off(error: HttpError) -> ServerSentEventMessage:
    return _event("error", error.body())


def _event(name: str, data: dict[str, Any]) -> ServerSentEventMessage:
    return ServerSentEventMessage(event=name, data=msgspec.json.encode(data).decode())


def _answer(text: str, finished: Finished, identity: Identity) -> dict[str, Any]:
    usage = finished.usage
    return {
        "response": text,
        "color": identity.color,
        "release": identity.release.number,
        "usage": {**asdict(usage), "total_tokens": usage.prompt_tokens + usage.completion_tokens},
        "finish_reason": finished.reason,
        "timings": asdict(finished.timings),
    }
