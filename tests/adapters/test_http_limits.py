"""Connections that nobody uses, and requests that do not come to their end, keep nobody else out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from disposable.ports import free_port
from litestar import Litestar, Request, get, post

from supervisor.control.server import ControlServer
from supervisor.front.server import FrontServer, build_front
from supervisor.http import limits
from supervisor.http.limits import ConcurrencyLimit
from supervisor.patience import eventually

IDLERS = 300
DEADLINE_S = 5.0
ASKED = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
# Nothing, half a head, and an answered request on a connection that is kept.
BEGINNINGS = (b"", b"GET /metrics HT", b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def metrics() -> bytes:
    return b"up 1\n"


@asynccontextmanager
async def front(routes: Any = ()) -> AsyncIterator[int]:
    port = free_port()
    server = FrontServer(build_front(metrics, [], routes), f"127.0.0.1:{port}")
    await server.start()
    try:
        yield port
    finally:
        await server.stop()


@asynccontextmanager
async def connected(to: int | Path, count: int = 1) -> AsyncIterator[list[Connection]]:
    """Clients of a port or a socket."""
    opened = []
    for _ in range(count):
        opening = asyncio.open_connection("127.0.0.1", to) if isinstance(to, int) else asyncio.open_unix_connection(to)
        opened.append(await opening)
    try:
        yield opened
    finally:
        for _, writer in opened:
            writer.close()


async def answered(to: int | Path, path: bytes) -> bytes:
    """What a new client is told, within the deadline."""
    async with connected(to) as [(reader, writer)], asyncio.timeout(DEADLINE_S):
        writer.write(ASKED % path)
        return await reader.read()


async def closed(connection: Connection) -> bool:
    """The server has closed it, after whatever it said; waits for that."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            while await connection[0].read(4096):
                pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


async def test_idle_connections_keep_nobody_from_the_metrics() -> None:
    """More than Granian takes by itself; it counts connections, and at its limit accepts nobody."""
    async with front() as port, connected(port, IDLERS) as idle:
        for number, (_, writer) in enumerate(idle):
            writer.write(BEGINNINGS[number % len(BEGINNINGS)])
        assert b"up 1" in await answered(port, b"/metrics")


async def test_idle_connections_keep_nobody_from_the_control_socket(folder: Path) -> None:
    """The same for commands."""

    @get("/status")
    async def status() -> str:
        return "fine"

    path = folder / "control.sock"
    server = ControlServer(Litestar([status], logging_config=None), path)
    await server.start()
    try:
        async with connected(path, IDLERS):
            assert b"fine" in await answered(path, b"/status")
    finally:
        await server.stop()


@pytest.mark.parametrize("beginning", BEGINNINGS)
async def test_a_connection_without_a_request_is_closed_after_a_while(
    monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    """Else they would add up, to the limit of descriptors."""
    monkeypatch.setattr(limits, "HEAD_TIMEOUT_S", 0.2)
    async with front() as port, connected(port) as [connection]:
        connection[1].write(beginning)
        assert await closed(connection)


async def test_bodies_that_do_not_arrive_keep_nobody_out_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have all places that there are, but those of the metrics, and lose them in the end."""
    monkeypatch.setattr(limits, "BODY_TIMEOUT_S", 0.5)

    @post("/data")
    async def take(request: Request[Any, Any, Any]) -> str:
        return (await request.body()).decode()

    begun = b"POST /data HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
    async with front([take]) as port, connected(port, limits.REQUESTS + 8) as slow:
        for _, writer in slow:
            writer.write(begun)
        assert b"up 1" in await answered(port, b"/metrics")
        assert b"404" in await answered(port, b"/other")


async def test_requests_beyond_the_limit_wait_for_their_turn() -> None:
    """And go on as soon as there is a place."""
    running, may_end = 0, asyncio.Event()

    async def app(*_: Any) -> None:
        nonlocal running
        running += 1
        await may_end.wait()
        running -= 1

    limited = ConcurrencyLimit(app, limit=2)
    asked = [asyncio.create_task(limited({"path": "/"}, None, None)) for _ in range(5)]

    async def two_run() -> bool:
        return running == 2

    assert await eventually(two_run, DEADLINE_S)
    may_end.set()
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*asked)
