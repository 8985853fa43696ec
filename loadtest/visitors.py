"""Clients of every kind, and how each visit of theirs ended.

A visit sends one request. Those that a full queue turns away come again when `Retry-After` says, as often as it takes;
each time is an outcome of its own. Whatever is neither what the visitor wanted nor documented raises Undocumented.
"""

import asyncio
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

import httpx
from loadtest.interfaces import Interface, Undocumented, refusal
from loadtest.words import words

WAIT_AT_MOST_S = 120.0  # for an answer, from when it was let in
COME_AT_MOST = 100
_COUNTS = re.compile(r"\d+\D+\d+")  # how many tokens there are, and how many may be


class TurnedAway(Exception):
    """The queue is full; come again in `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"come again in {seconds} s")
        self.seconds = seconds


@dataclass(slots=True)
class Party:
    """Everything that visits share. `tokens` of an answer, `context_tokens` of the worker."""

    http: httpx.AsyncClient
    interfaces: tuple[Interface, ...]
    context_tokens: int
    tokens: int
    random: Random
    outcomes: Counter[str] = field(default_factory=Counter)
    undocumented: list[str] = field(default_factory=list)

    def prompt(self, count: int) -> str:
        return words(self.random, count)

    async def visit(self, kind: str) -> None:
        """A visit of one of `KINDS`, and its outcome among the others."""
        interface = self.random.choice(self.interfaces)
        try:
            outcome = await self._until_let_in(partial(KINDS[kind], self, interface), interface)
        except Undocumented as wrong:
            outcome = self._wrong(kind, str(wrong))
        except (httpx.HTTPError, TimeoutError) as error:
            outcome = self._wrong(kind, f"{interface.path}: {error!r}")
        self.outcomes[f"{kind}: {outcome}"] += 1

    async def _until_let_in(self, visit: Callable[[], Awaitable[str]], interface: Interface) -> str:
        for _ in range(COME_AT_MOST):
            try:
                async with asyncio.timeout(WAIT_AT_MOST_S):
                    return await visit()
            except TurnedAway as turned:
                self.outcomes[f"turned away by {interface.path}"] += 1
                seconds = turned.seconds
            await asyncio.sleep(seconds)
        raise Undocumented(f"{interface.path} turned it away {COME_AT_MOST} times")

    def _wrong(self, kind: str, what: str) -> str:
        self.undocumented.append(f"{kind}: {what}")
        return "undocumented"


async def plain(party: Party, interface: Interface) -> str:
    body = interface.body(party.prompt(32), party.tokens, stream=False)
    response = await party.http.post(interface.path, json=body)
    if response.status_code != httpx.codes.OK:
        raise refused(response, response.content)
    interface.check(response.json())
    return "answered"


async def stream(party: Party, interface: Interface, stop_after: int | None = None, words: int = 32) -> str:
    """Read to the end, or hang up after some pieces."""
    tokens = party.tokens if stop_after is None else 10 * party.tokens
    body = interface.body(party.prompt(words), tokens, stream=True)
    async with party.http.stream("POST", interface.path, json=body) as response:
        if response.status_code != httpx.codes.OK:
            raise refused(response, await response.aread())
        async for count in interface.pieces(response):
            if count == stop_after:
                return "left while it was answered"
    return "answered"


async def leave_answering(party: Party, interface: Interface) -> str:
    return await stream(party, interface, stop_after=party.random.randint(1, 8))


async def leave_early(party: Party, interface: Interface) -> str:
    """Soon after a long prompt was sent: while it waits, or while it is read."""
    words = party.random.randrange(party.context_tokens // 8, party.context_tokens // 5)
    asking = asyncio.create_task(stream(party, interface, stop_after=1, words=words))
    done, _ = await asyncio.wait([asking], timeout=party.random.uniform(0.0, 0.5))
    if done:
        return await asking
    asking.cancel()
    (ended,) = await asyncio.gather(asking, return_exceptions=True)
    if isinstance(ended, Undocumented):
        raise ended
    return "left before it was answered"


async def too_long(party: Party, interface: Interface) -> str:
    body = interface.body(party.prompt(party.context_tokens + 8), party.tokens, stream=party.random.random() < 0.5)
    response = await party.http.post(interface.path, json=body)
    if response.status_code != httpx.codes.BAD_REQUEST:
        raise refused(response, response.content)
    _, message = refusal(response, response.content)
    if not _COUNTS.search(message):
        raise Undocumented(f"{interface.path} refused a long prompt without counts: {message}")
    return "refused with counts"


def refused(response: httpx.Response, body: bytes) -> Exception:
    """What an answer means that is not the wanted one."""
    status, message = refusal(response, body)
    wait = response.headers.get("Retry-After", "")
    if status == httpx.codes.TOO_MANY_REQUESTS and wait.isdecimal() and int(wait) >= 1:
        return TurnedAway(int(wait))
    return Undocumented(f"HTTP {status}, Retry-After {wait or 'missing'}: {message}")


KINDS: dict[str, Callable[[Party, Interface], Awaitable[str]]] = {
    "stream": stream,
    "plain": plain,
    "leave answering": leave_answering,
    "leave early": leave_early,
    "too long": too_long,
}
LEAVING = ("leave answering", "leave early")
