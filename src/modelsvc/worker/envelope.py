"""What holds for every request, whoever answers it: guard, headers, counts, and release of what it held.

It is outside the framework, so that no error page, stream or early answer escapes it.
"""

import time
from collections.abc import MutableMapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import msgspec

from modelsvc.worker.errors import HttpError
from modelsvc.worker.guard import check_host, check_origin, check_size, every, first
from modelsvc.worker.incoming import Incoming
from modelsvc.worker.logs import log
from modelsvc.worker.service import Service

App = Any  # an ASGI application; the frameworks' own types for it disagree
Scope = MutableMapping[str, Any]
GENERATING = ("/chat/", "/v1/")  # a POST below one of these is counted


@dataclass(slots=True)
class Exchange:
    """One request and its answer. `held` is released at the end, however that comes about."""

    held: AsyncExitStack = field(default_factory=AsyncExitStack)
    caller: str | None = None  # the name of the API key it came with
    status: int = 0
    broken: bool = False  # failed after the answer had begun
    error: str = ""  # the code of the error that was told

    @property
    def failed(self) -> bool:
        return self.broken or self.status >= 500 or self.status == 0


class Envelope:
    def __init__(self, app: App, service: Service) -> None:
        self._app = app
        self._service = service
        identity = service.identity
        self._hosts = identity.release.settings.allowed_hosts
        self._origins = identity.release.settings.allowed_origins
        self._headers = [
            (b"x-modelsvc-color", identity.color.encode()),
            (b"x-modelsvc-release", str(identity.release.number).encode()),
        ]

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["method"] == "POST" and f"{scope['path']}/".startswith(GENERATING):
            await self._counted(scope, receive, send)
        else:
            await self._exchange(scope, receive, send, Exchange())

    async def _counted(self, scope: Scope, receive: Any, send: Any) -> None:
        tally, exchange, began = self._service.tally, Exchange(), time.monotonic()
        tally.begin()
        try:
            await self._exchange(scope, receive, send, exchange)
        finally:
            tally.end(failed=exchange.failed)
            seconds = round(time.monotonic() - began, 6)
            log.info("chat", status=exchange.status, failed=exchange.failed, seconds=seconds)

    async def _exchange(self, scope: Scope, receive: Any, send: Any, exchange: Exchange) -> None:
        scope.setdefault("state", {})["exchange"] = exchange
        metrics, began = self._service.metrics, time.monotonic()
        metrics.asked()

        async def labelled(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        try:
            async with exchange.held:
                await self._answer(scope, receive, labelled, exchange)
        finally:
            route = scope.get("path_template") or "unmatched"
            metrics.answered(route, exchange.status, time.monotonic() - began, exchange.error)

    async def _answer(self, scope: Scope, receive: Any, send: Any, exchange: Exchange) -> None:
        incoming = Incoming(receive)
        try:
            exchange.caller = self._admit(scope)
        except HttpError as error:
            log.warning("refused", code=error.code, path=scope["path"])
            exchange.error = error.code
            await incoming.discard()
            await send_error(send, error)
        else:
            await self._app(scope, incoming, send)

    def _admit(self, scope: Scope) -> str | None:
        """The name of the key that was given, if any. Raises HttpError for whoever may not ask."""
        headers = scope["headers"]
        check_size(headers)
        check_host(first(headers, b"host"), self._hosts)
        check_origin(first(headers, b"origin"), self._hosts, self._origins)
        forwarded = first(headers, b"x-forwarded-for") is not None  # the edge always sets it
        return self._service.keys.admit(scope["path"], forwarded, every(headers, b"authorization"))


async def send_error(send: Any, error: HttpError) -> None:
    body = msgspec.json.encode(error.body())
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(key.lower().encode(), value.encode()) for key, value in error.headers().items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
