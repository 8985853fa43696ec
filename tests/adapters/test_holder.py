"""The holder by itself: who waits, for how long, and what they are told."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from supervisor.core.outlook import Outlook
from supervisor.holder import PAUSES_S, HoldCounts, Holder
from supervisor.patience import eventually
from supervisor.unavailable import ASK_PATH

PROMPT_S = 0.02


@dataclass
class Hall:
    """A holder whose outlook a test sets."""

    outlook: Outlook = Outlook.COMING
    timeout_s: float = 10.0
    limit: int = 4
    asked: int = 0
    holder: Holder = field(init=False)

    def __post_init__(self) -> None:
        self.holder = Holder(self._look, self.timeout_s, self.limit)

    def _look(self) -> Outlook:
        self.asked += 1
        return self.outlook

    def enter(self, holds: int = 1, replay: str = "@replay") -> "Guest":
        return Guest(self.holder, {"x-holds": "." * holds, "x-replay": replay})

    async def waiting(self, count: int) -> None:
        async def there() -> bool:
            return self.holder.counts().waiting == count

        assert await eventually(there, 5)


class Guest:
    """A request that nginx sent; `leave` is a client that hangs up."""

    def __init__(self, holder: Holder, headers: Mapping[str, str], path: str = "/held") -> None:
        self._gone = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        scope = {"path": path, "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
        self.task = asyncio.create_task(holder(scope, self._receive, self._send))

    def leave(self) -> None:
        self._gone.set()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(5):
            await self.task
        start, body = self.sent
        return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"]

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)


async def refused(guest: Guest) -> tuple[str, str]:
    status, headers, body = await guest.answer()
    error = json.loads(body)["error"]
    assert (status, headers["content-type"], error["type"]) == (503, "application/json", "unavailable")
    assert int(headers["content-length"]) == len(body)
    return error["code"], headers["retry-after"]


async def test_who_waits_is_sent_back_as_soon_as_somebody_serves() -> None:
    """To where nginx asked to send it, within two looks."""
    hall = Hall()
    guests = [hall.enter(), hall.enter(replay="@retire")]
    await hall.waiting(2)
    assert not any(guest.sent for guest in guests)

    hall.outlook = Outlook.SERVES
    async with asyncio.timeout(5 * PROMPT_S):
        answers = [await guest.answer() for guest in guests]

    assert [(status, headers["x-accel-redirect"]) for status, headers, _ in answers] == [
        (200, "@replay"),
        (200, "@retire"),
    ]
    assert hall.holder.counts() == HoldCounts(waiting=0, held=2, replayed=2, given_up=0)


async def test_where_somebody_serves_the_first_replay_is_at_once_and_later_ones_are_not() -> None:
    """The route may just be changing hands; but a worker that ends each time must be noticed first."""
    hall, now = Hall(Outlook.SERVES), asyncio.get_running_loop().time
    seconds = []
    for holds in (1, 2, 3):
        began = now()
        await hall.enter(holds).answer()
        seconds.append(now() - began)

    assert seconds[0] < PAUSES_S[1] / 2
    assert seconds[1] >= PAUSES_S[1] and seconds[2] >= PAUSES_S[2]


async def test_where_nobody_will_come_nobody_waits() -> None:
    """503 at once; and for those who wait already as soon as it is known."""
    hall = Hall()
    early = hall.enter()
    await hall.waiting(1)
    hall.outlook = Outlook.GONE

    assert await refused(early) == await refused(hall.enter()) == ("no_worker", "60")
    assert hall.holder.counts() == HoldCounts(waiting=0, held=2, replayed=0, given_up=2)


async def test_after_the_deadline_it_is_given_up() -> None:
    """503 that says when to come back."""
    hall = Hall(timeout_s=0.05)

    assert await refused(hall.enter()) == ("hold_timeout", "5")
    assert hall.holder.counts() == HoldCounts(waiting=0, held=1, replayed=0, given_up=1)


async def test_who_is_held_by_an_operator_waits_and_is_told_so() -> None:
    """Nobody is being started, so nothing is to be expected in a few seconds; and he may let them pass meanwhile."""
    hall = Hall(Outlook.HELD, timeout_s=0.05)
    assert await refused(hall.enter()) == ("paused", "30")

    hall = Hall(Outlook.HELD)
    guest = hall.enter()
    await hall.waiting(1)
    hall.outlook = Outlook.SERVES
    assert (await guest.answer())[0] == 200


@pytest.mark.parametrize(
    ("outlook", "told"),
    [
        (Outlook.SERVES, ("starting", "1")),
        (Outlook.COMING, ("starting", "1")),
        (Outlook.HELD, ("paused", "30")),
        (Outlook.GONE, ("no_worker", "60")),
    ],
)
async def test_who_asks_how_the_service_is_is_told_at_once(outlook: Outlook, told: tuple[str, str]) -> None:
    """Whoever else waits, and he counts as nobody who does."""
    hall = Hall(outlook, limit=0)
    assert await refused(Guest(hall.holder, {}, ASK_PATH)) == told
    hall.holder.close()
    assert await refused(Guest(hall.holder, {}, ASK_PATH)) == ("supervisor_away", "5")
    assert hall.holder.counts() == HoldCounts()


async def test_one_more_than_the_limit_is_refused_at_once() -> None:
    """The others wait on, and a place that is free again is given away."""
    hall = Hall(limit=2)
    guests = [hall.enter(), hall.enter()]
    await hall.waiting(2)

    assert await refused(hall.enter()) == ("hold_full", "1")
    guests[0].leave()
    await hall.waiting(1)
    late = hall.enter()
    await hall.waiting(2)
    hall.outlook = Outlook.SERVES
    assert (await late.answer())[0] == (await guests[1].answer())[0] == 200
    assert hall.holder.counts() == HoldCounts(waiting=0, held=3, replayed=2, given_up=2)


async def test_a_client_that_went_away_is_answered_nothing() -> None:
    """It frees its place."""
    hall = Hall()
    guest = hall.enter()
    await hall.waiting(1)
    guest.leave()
    await guest.task

    assert guest.sent == []
    assert hall.holder.counts() == HoldCounts(waiting=0, held=1, replayed=0, given_up=1)


async def test_closing_sends_everybody_away() -> None:
    """Whatever the outlook."""
    hall = Hall()
    guest = hall.enter()
    await hall.waiting(1)
    hall.holder.close()

    assert await refused(guest) == ("supervisor_away", "5")


@pytest.mark.parametrize("guests", [1, 200])
async def test_one_looks_out_for_all(guests: int) -> None:
    """Many who wait cost no more than one; when nobody waits, nobody looks."""
    hall = Hall(limit=guests)
    for _ in range(guests):
        hall.enter()
    await hall.waiting(guests)
    before = hall.asked
    await asyncio.sleep(0.2)
    assert 0 < hall.asked - before <= 25

    hall.outlook = Outlook.SERVES
    await hall.waiting(0)
    after = hall.asked
    await asyncio.sleep(0.05)
    assert hall.asked == after
