"""/api/chat: the edge's chat for the page, which is of another origin than the edge.

A stream passes as it comes. Whoever goes away ends the request at the edge, and so the generation.
"""

import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx
from litestar import Response, delete, get, post
from litestar.exceptions import InternalServerException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream

from supervisor.page.access import Access
from supervisor.page.errors import EdgeAway, NotUnderstood, TooMany
from supervisor.page.looks import AnyRequest, authorization

BODY_BYTES = 256 * 1024
AT_ONCE = 8
USER_ID = re.compile(r"(?!\.+$)[A-Za-z0-9._@-]{1,64}")  # as the worker has it; dots alone would be another path
PATIENCE = httpx.Timeout(5.0, read=610.0)  # the edge's own, and a bit
PASSED_ON = ("content-type", "retry-after", "x-modelsvc-color", "x-modelsvc-release", "x-request-id")


class Relay:
    """To the edge at `listen`, ADDRESS:PORT; AT_ONCE requests at most."""

    def __init__(self, listen: str) -> None:
        # Any name of loopback is served by the workers, an address such as 0.0.0.0 is not.
        headers = {"host": "localhost", "accept-encoding": "identity"}
        self._client = httpx.AsyncClient(
            base_url=f"http://{listen}", timeout=PATIENCE, trust_env=False, headers=headers
        )
        self._running = 0

    async def close(self) -> None:
        await self._client.aclose()

    async def pass_on(self, method: str, user_id: str, body: bytes, keys: list[str]) -> Response[Any]:
        """The edge's answer. Raises TooMany, EdgeAway."""
        exchange = self._exchange(method, user_id, body, keys)
        head = await anext(exchange)  # begun, so that it is also ended, whatever becomes of the answer
        assert isinstance(head, httpx.Response)
        headers = {name: head.headers[name] for name in PASSED_ON if name in head.headers}
        chunks = (chunk async for chunk in exchange if isinstance(chunk, bytes))
        return Stream(chunks, status_code=head.status_code, headers=headers)

    async def _exchange(
        self, method: str, user_id: str, body: bytes, keys: list[str]
    ) -> AsyncGenerator[httpx.Response | bytes, None]:
        """The answer's head, then its body."""
        if self._running >= AT_ONCE:
            raise TooMany(f"{AT_ONCE} answers are under way for pages like this one already: wait for one of them")
        self._running += 1
        headers = {"content-type": "application/json", **({"authorization": keys[0]} if keys else {})}
        path = f"/chat/{user_id}"
        try:
            async with self._client.stream(method, path, content=body, headers=headers) as response:
                yield response
                async for chunk in response.aiter_raw():
                    yield chunk
        except httpx.HTTPError as error:
            raise EdgeAway(f"the edge broke off: {error or type(error).__name__}; see `modelsvc ctl status`") from error
        finally:
            self._running -= 1


def chat_routes(relay: Relay, access: Access) -> list[HTTPRouteHandler]:
    async def passed_on(request: AnyRequest, user_id: str) -> Response[Any]:
        keys = authorization(request)
        access.check_private(keys)
        if not USER_ID.fullmatch(user_id):
            raise NotUnderstood("a user id has 1 to 64 of A-Z a-z 0-9 . _ @ -", "invalid_user_id")
        return await relay.pass_on(request.method, user_id, await _body(request), keys)

    @post("/api/chat/{user_id:str}", status_code=200, request_max_body_size=BODY_BYTES)
    async def ask(request: AnyRequest, user_id: FromPath[str]) -> Response[Any]:
        return await passed_on(request, user_id)

    @get("/api/chat/{user_id:str}")
    async def read(request: AnyRequest, user_id: FromPath[str]) -> Response[Any]:
        return await passed_on(request, user_id)

    @delete("/api/chat/{user_id:str}", status_code=200)
    async def forget(request: AnyRequest, user_id: FromPath[str]) -> Response[Any]:
        return await passed_on(request, user_id)

    return [ask, read, forget]


async def _body(request: AnyRequest) -> bytes:
    """Raises NotUnderstood when whoever sends it goes away before its end, which is no defect of ours."""
    try:
        return await request.body()
    except InternalServerException as error:
        raise NotUnderstood(f"the body broke off: {error.detail}", "body_broke_off") from error
