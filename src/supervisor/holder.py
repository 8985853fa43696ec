"""The holder: where a request waits while no worker serves.

nginx asks here, without the request's body, in place of the worker it did not find. The answer is a redirect back to
where nginx proxies from, which replays the request as the client sent it, or 503. How often this request was held
before, nginx counts in the request itself (`X-Holds`).
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from supervisor.core.outlook import Outlook
from supervisor.patience import eventually

POLL_S = 0.01
# Before each replay. At first none, since the route may just be changing hands; then time enough to notice that the
# worker which seems to serve has ended.
PAUSES_S = (0.0, 0.25, 1.0)

log = structlog.get_logger()

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class HoldCounts:
    """`waiting` now; the others since the start."""

    waiting: int = 0
    held: int = 0
    replayed: int = 0
    given_up: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not replayed, and when its client should come back."""

    code: str
    message: str
    retry_after_s: int

    @property
    def body(self) -> bytes:
        return json.dumps({"error": {"type": "unavailable", "message": self.message, "code": self.code}}).encode()


GONE = Refusal("no_worker", "no worker is serving right now; retry in 1 s", 1)
TOO_LATE = Refusal("hold_timeout", "no worker served in time; retry in 5 s", 5)
FULL = Refusal("hold_full", "too many requests wait for a worker already; retry in 1 s", 1)


class Holder:
    """An ASGI application. `outlook` is asked every POLL_S while somebody waits."""

    def __init__(self, outlook: Callable[[], Outlook], timeout_s: float, limit: int) -> None:
        self._outlook = outlook
        self._timeout_s = timeout_s
        self._limit = limit
        self._closing = False
        self._waiting = self._held = self._replayed = self._given_up = 0
        self._watching: asyncio.Task[None] | None = None

    def counts(self) -> HoldCounts:
        return HoldCounts(self._waiting, self._held, self._replayed, self._given_up)

    async def emptied(self) -> None:
        """Wait until nobody waits, for as long as a request may."""

        async def check() -> bool:
            return not self._waiting

        await eventually(check, self._timeout_s)

    def close(self) -> None:
        """Send everybody away."""
        self._closing = True

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if self._waiting >= self._limit:
            await self._refuse(send, headers, FULL)
            return
        try:
            outlook = await self._hold(receive, _pause_s(headers))
        except TimeoutError:
            await self._refuse(send, headers, TOO_LATE)
            return
        match outlook:
            case Outlook.SERVES:
                self._replayed += 1
                await _answer(send, 200, {"X-Accel-Redirect": headers.get("x-replay", "@replay")})
            case Outlook.GONE:
                await self._refuse(send, headers, GONE)
            case None | Outlook.COMING:
                self._given_up += 1  # nobody is there to be answered

    async def _hold(self, receive: Receive, pause_s: float) -> Outlook | None:
        """How the waiting ended; None: the client went away. Raises TimeoutError."""
        self._waiting += 1
        self._held += 1
        settled = asyncio.ensure_future(self._settled(pause_s))
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            async with asyncio.timeout(self._timeout_s):
                await asyncio.wait({settled, gone}, return_when=asyncio.FIRST_COMPLETED)
            return settled.result() if settled.done() else None
        finally:
            self._waiting -= 1
            settled.cancel()
            gone.cancel()

    async def _settled(self, pause_s: float) -> Outlook:
        await asyncio.sleep(pause_s)
        while (outlook := self._now()) is Outlook.COMING:
            await self._next_news()
        return outlook

    async def _next_news(self) -> None:
        """One task looks for everybody."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.ensure_future(self._watch())
        await asyncio.shield(self._watching)

    async def _watch(self) -> None:
        while self._waiting and self._now() is Outlook.COMING:
            await asyncio.sleep(POLL_S)

    def _now(self) -> Outlook:
        return Outlook.GONE if self._closing else self._outlook()

    async def _refuse(self, send: Send, headers: Mapping[str, str], why: Refusal) -> None:
        self._given_up += 1
        log.warning("held_request_refused", reason=why.code, request_id=headers.get("x-request-id"))
        await _answer(send, 503, {"Content-Type": "application/json", "Retry-After": str(why.retry_after_s)}, why.body)


def _pause_s(headers: Mapping[str, str]) -> float:
    return PAUSES_S[min(len(headers.get("x-holds", ".")), len(PAUSES_S)) - 1]


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(send: Send, status: int, headers: Mapping[str, str], body: bytes = b"") -> None:
    fields = {"Content-Length": str(len(body)), **headers}
    pairs = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
