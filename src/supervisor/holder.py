"""The holder: where a request waits while no worker serves.

nginx asks here, without the request's body, in place of the worker it did not find. The answer is a redirect back to
where nginx proxies from, which replays the request as the client sent it, or 503. How often this request was held
before, nginx counts in the request itself (`X-Holds`). Who asks how the service is does not wait, and comes to
`ASK_PATH`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from supervisor.core.outlook import Outlook
from supervisor.patience import eventually
from supervisor.unavailable import ASK_PATH, AWAY, FULL, GONE, PAUSED, STARTING, TOO_LATE, Refusal

POLL_S = 0.01
# Before each replay. At first none, since the route may just be changing hands; then time enough to notice that the
# worker which seems to serve has ended.
PAUSES_S = (0.0, 0.25, 1.0)

WORTH_WAITING = (Outlook.COMING, Outlook.HELD)

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
        if scope["path"] == ASK_PATH:
            await _send_away(send, self._state_now())
            return
        if self._waiting >= self._limit:
            await self._refuse(send, headers, FULL)
            return
        try:
            outlook = await self._hold(receive, _pause_s(headers))
        except TimeoutError:
            await self._refuse(send, headers, PAUSED if self._now() is Outlook.HELD else TOO_LATE)
            return
        match outlook:
            case Outlook.SERVES:
                self._replayed += 1
                await _answer(send, 200, {"X-Accel-Redirect": headers.get("x-replay", "@replay")})
            case Outlook.GONE:
                await self._refuse(send, headers, AWAY if self._closing else GONE)
            case None | Outlook.COMING | Outlook.HELD:
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
        while (outlook := self._now()) in WORTH_WAITING:
            await self._next_news()
        return outlook

    async def _next_news(self) -> None:
        """One task looks for everybody."""
        if self._watching is None or self._watching.done():
            self._watching = asyncio.ensure_future(self._watch())
        await asyncio.shield(self._watching)

    async def _watch(self) -> None:
        while self._waiting and self._now() in WORTH_WAITING:
            await asyncio.sleep(POLL_S)

    def _now(self) -> Outlook:
        return Outlook.GONE if self._closing else self._outlook()

    def _state_now(self) -> Refusal:
        """Why nobody answers at this moment; a worker that seems to serve is just coming, or has just ended."""
        if self._closing:
            return AWAY
        match self._now():
            case Outlook.SERVES | Outlook.COMING:
                return STARTING
            case Outlook.HELD:
                return PAUSED
            case Outlook.GONE:
                return GONE

    async def _refuse(self, send: Send, headers: Mapping[str, str], why: Refusal) -> None:
        self._given_up += 1
        log.warning("held_request_refused", reason=why.code, request_id=headers.get("x-request-id"))
        await _send_away(send, why)


async def _send_away(send: Send, why: Refusal) -> None:
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
