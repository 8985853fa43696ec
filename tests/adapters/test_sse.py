"""The feed as server-sent events, on a real Unix socket: what is sent, when, and what becomes of those who leave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from disposable.waiting import until
from litestar import Litestar

from supervisor.core import records as rec
from supervisor.feed import sse
from supervisor.feed.feed import RING, Feed
from supervisor.http.unix_server import STOP_TIMEOUT_S, UnixServer
from supervisor.protocol import happenings as hp

DEADLINE_S = 10.0


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Feed, httpx.AsyncClient]]:
    """A feed, served as any application may serve it."""
    feed = Feed()
    app = Litestar([sse.events_route(feed, "/api/events")], openapi_config=None)
    server = UnixServer(app, folder / "e.sock", "test", "")
    await server.start()
    transport = httpx.AsyncHTTPTransport(uds=str(folder / "e.sock"))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=DEADLINE_S) as client:
            yield feed, client
    finally:
        feed.close()
        await server.stop()


async def frames(response: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """Each frame's fields; a comment's is the empty one."""
    found: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            found[name] = value.strip()
        else:
            yield found
            found = {}


async def eventually(seen: object, what: str) -> None:
    """Wait without holding up the server, which runs in this loop."""
    await asyncio.to_thread(until, seen, what, DEADLINE_S)  # type: ignore[arg-type]


async def test_events_are_sent_as_they_happen(folder: Path) -> None:
    """With number, name and one line of JSON; the first frame is the place, for those who lose the connection soon."""
    async with serving(folder) as (feed, client), client.stream("GET", "/api/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        told = frames(response)
        assert await anext(told) == {"id": "0"}
        for number in (1, 2):
            feed.publish(rec.Warned(f"line\nbreak {number}"))
            frame = await anext(told)
            assert (frame["id"], frame["event"]) == (str(number), "warned")
            happening = hp.decode_happening(frame["data"])
            assert isinstance(happening, hp.Warned) and happening.text == f"line\nbreak {number}"


@pytest.mark.parametrize(
    ("query", "headers", "first"),
    [
        ("", {}, 4),
        ("?after=0", {}, 1),
        ("?after=2", {}, 3),
        ("", {"Last-Event-ID": "1"}, 2),
        ("?after=0", {"Last-Event-ID": "2"}, 3),
    ],
)
async def test_a_follower_says_where_it_was(folder: Path, query: str, headers: dict[str, str], first: int) -> None:
    """What a browser says when it comes back counts more than the address it was given at first."""
    async with serving(folder) as (feed, client):
        for number in (1, 2, 3):
            feed.publish(rec.Warned(f"w{number}"))
        async with client.stream("GET", f"/api/events{query}", headers=headers) as response:
            told = frames(response)
            await anext(told)
            feed.publish(rec.Warned("w4"))
            assert (await anext(told))["id"] == str(first)


@pytest.mark.parametrize(("query", "headers"), [("?after=-1", {}), ("?after=x", {}), ("", {"Last-Event-ID": "x"})])
async def test_a_place_that_is_none_is_refused(folder: Path, query: str, headers: dict[str, str]) -> None:
    """Rather than taken for another."""
    async with serving(folder) as (_, client):
        assert (await client.get(f"/api/events{query}", headers=headers)).status_code == 400


async def test_followers_leave_room_for_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is refused; when one leaves there is a place again."""
    monkeypatch.setattr(sse, "FOLLOWERS_LIMIT", 1)
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.05)
    async with serving(folder) as (feed, client):
        async with client.stream("GET", "/api/events") as first:
            await anext(frames(first))
            refused = await client.get("/api/events")
            assert (refused.status_code, refused.json()["detail"]) == (429, "1 follow already: end one of them first")
        await eventually(lambda: feed.followers == 0, "nobody follows any more")
        async with client.stream("GET", "/api/events") as again:
            assert again.status_code == 200


async def test_silence_is_filled_with_heartbeats(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that both sides notice when the other is gone."""
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.05)
    async with serving(folder) as (feed, client), client.stream("GET", "/api/events") as response:
        told = frames(response)
        assert [await anext(told) for _ in range(3)] == [{"id": "0"}, {"": ""}, {"": ""}]
        feed.publish(rec.Warned("x"))
        seen = {}
        while "event" not in seen:
            seen = await anext(told)
        assert seen["id"] == "1"


async def test_those_who_hang_up_are_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the latest with the next heartbeat."""
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.05)
    async with serving(folder) as (feed, client):
        async with client.stream("GET", "/api/events") as one, client.stream("GET", "/api/events") as other:
            assert await anext(frames(one)) == await anext(frames(other)) == {"id": "0"}
            assert feed.followers == 2
        await eventually(lambda: feed.followers == 0, "nobody follows any more")


async def test_the_end_of_the_feed_ends_the_answers(folder: Path) -> None:
    """Whole, and before their server would have to wait for them."""
    async with serving(folder) as (feed, client), client.stream("GET", "/api/events") as response:
        told = frames(response)
        await anext(told)
        feed.publish(rec.Warned("the last"))
        feed.close()
        began = asyncio.get_running_loop().time()
        assert [frame["id"] async for frame in told] == ["1"]
        assert asyncio.get_running_loop().time() - began < STOP_TIMEOUT_S / 2


async def test_a_follower_who_does_not_read_is_left_behind(folder: Path) -> None:
    """What it has not read waits in the ring only, whose size is given; when it reads on it is told of the gap."""
    text = "x" * 20_000
    async with serving(folder) as (feed, client), client.stream("GET", "/api/events") as response:
        told = frames(response)
        assert await anext(told) == {"id": "0"}
        for _ in range(3 * RING):
            feed.publish(rec.Warned(text))
            await asyncio.sleep(0)
        frame = await anext(told)
        while frame["event"] != "events_missed":
            frame = await anext(told)
        gap = hp.decode_happening(frame["data"])
        assert isinstance(gap, hp.EventsMissed) and gap.count
        assert (await anext(told))["id"] == str(int(frame["id"]) + 1)
