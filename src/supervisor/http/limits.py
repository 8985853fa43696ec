"""What the supervisor's own HTTP servers bear: many connections, fewer requests at once, none that idles for long.

Granian's limit, `backpressure`, counts connections, idle ones too: at the limit nobody is accepted any more. So it is
high, a connection without a request costs only its descriptor until it is closed, and requests are counted here.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from granian.http import HTTP1Settings

CONNECTIONS = 1024
REQUESTS = 128
REQUESTS_OF_ITS_OWN = 8
HEAD_TIMEOUT_S = 10.0  # until the head of a request is there, from the connection or the last answer on
BODY_TIMEOUT_S = 30.0


def http1() -> HTTP1Settings:
    return HTTP1Settings(header_read_timeout=round(HEAD_TIMEOUT_S * 1000))


class ConcurrencyLimit:
    """An ASGI application that gets `limit` requests at once; more wait for their turn.

    Each of `reserved_paths` has a few places of its own, so that it is answered whatever the others are at. A body
    that does not arrive in time is taken for a client that has left.
    """

    def __init__(self, app: Any, limit: int = REQUESTS, reserved_paths: Iterable[str] = ()) -> None:
        self._app = app
        self._places = asyncio.Semaphore(limit)
        self._reserved = {path: asyncio.Semaphore(REQUESTS_OF_ITS_OWN) for path in reserved_paths}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with self._reserved.get(scope.get("path", ""), self._places):
            await self._app(scope, _in_time(receive), send)


def _in_time(receive: Any) -> Any:
    """`receive` that does not wait for the rest of a body for ever."""
    deadline, complete = asyncio.get_running_loop().time() + BODY_TIMEOUT_S, False

    async def receiving() -> Any:
        nonlocal complete
        if complete:
            return await receive()
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            message = {"type": "http.disconnect"}
        complete = not message.get("more_body", False)
        return message

    return receiving
