"""More happens than anybody can look at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from disposable.ports import reserved_ports
from litestar import Response, get
from litestar.response import Stream
from playwright.async_api import Browser
from tests.page.browser import visiting
from tests.support.service_fixture import Service

from supervisor.front.server import FrontServer, build_front
from supervisor.page.access import Access
from supervisor.page.files import file_routes

pytestmark = pytest.mark.asyncio(loop_scope="session")

FRAME = b'id: 1\nevent: warned\ndata: {"id":1,"at":"2026-01-02T03:04:05.678Z","event":"warned","text":"again"}\n\n'
WATCHED_S = 2.0
LOOKS_PER_S = 10  # at most


class Storm:
    """A server of the page that tells of something every other millisecond; `looks` at its status are counted."""

    def __init__(self, status: bytes) -> None:
        self.status = status
        self.looks = 0
        self.told = 0

    async def frames(self) -> AsyncIterator[bytes]:
        while True:
            self.told += 1
            yield FRAME
            await asyncio.sleep(0.002)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[str]:
        @get("/api/status")
        async def status() -> Response[bytes]:
            self.looks += 1
            return Response(self.status, media_type="application/json")

        @get("/api/history")
        async def history() -> dict[str, list[str]]:
            return {"deployments": []}

        @get("/api/pulse")
        async def pulse() -> dict[str, object]:
            return {"run": 1, "interval_s": 2.0, "samples": []}

        @get("/api/events")
        async def events() -> Stream:
            return Stream(self.frames(), media_type="text/event-stream")

        with reserved_ports(1) as (port,):
            routes = [status, history, pulse, events, *file_routes(Access(None, beyond=False))]
            server = FrontServer(build_front(nothing, ["localhost"], routes), f"127.0.0.1:{port}")
            await server.start()
            try:
                yield f"http://127.0.0.1:{port}"
            finally:
                await server.stop()


async def nothing() -> bytes:
    return b""


async def test_the_page_does_not_look_for_each_of_very_many_events(browser: Browser, service: Service) -> None:
    """It looks soon after the first, and then now and then: what it shows costs the supervisor no more than that."""
    await asyncio.to_thread(service.settled)
    async with httpx.AsyncClient(trust_env=False) as client:
        storm = Storm((await client.get(f"{service.page_url}/api/status")).content)
    async with storm.served() as url, visiting(browser, url) as visitor:
        await visitor.see("#headline", "is serving")
        looks, told = storm.looks, storm.told
        await visitor.page.wait_for_timeout(1000 * WATCHED_S)
        assert storm.told - told > 20 * LOOKS_PER_S, "it stormed"
        assert WATCHED_S < storm.looks - looks <= LOOKS_PER_S * WATCHED_S + 1
