"""A request's body as it comes in, which a slow client may not drag out."""

import asyncio
import time
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

from modelsvc.worker.errors import HttpError, client_gone

BODY_TIMEOUT_S = 30.0  # for the whole of it; the edge hands over what it has read whole
DISCARD_BYTES = 2**20


class Incoming:
    """The ASGI `receive`. Raises HttpError when the body does not come in time, or not to its end; what comes after it
    may take any time."""

    def __init__(self, receive: Any, timeout_s: float | None = None) -> None:
        self._receive = receive
        self._deadline = time.monotonic() + (BODY_TIMEOUT_S if timeout_s is None else timeout_s)
        self._whole = False

    async def __call__(self) -> MutableMapping[str, Any]:
        if self._whole:
            return await self._take()
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                return await self._take()
        except TimeoutError:
            raise HttpError(
                408, "body_too_slow", f"the body did not come within {BODY_TIMEOUT_S:g} s: send it in one go"
            ) from None

    async def _take(self) -> MutableMapping[str, Any]:
        message: MutableMapping[str, Any] = await self._receive()
        if message["type"] == "http.disconnect" and not self._whole:
            self._whole = True
            raise client_gone()
        self._whole = not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Read what is not wanted: a connection closed over unread bytes is reset, the answer with it."""
        size = 0
        with suppress(HttpError):
            while not self._whole and size <= DISCARD_BYTES:
                size += len((await self()).get("body", b""))
