"""What an operator should know although nobody asked is told on the page as `ctl status` tells it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from playwright.async_api import Browser
from tests.page.browser import visiting
from tests.page.test_storm import Storm
from tests.support.service_fixture import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOST = "release 7 is not prewarmed any more: no room; `modelsvc ctl prewarm` does it again"
WAITS = {
    "verdict": "waits",
    "changes": ["model.slots 4 -> 64"],
    "reason": "deployment 5 was refused: it would need 9 GB\n blue  1 GB\n; it is tried again by itself",
    "retry_at": "2026-01-02T03:04:05Z",
    "retry_of": 5,
}


class Still(Storm):
    """Nothing happens."""

    async def frames(self) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


async def told(service: Service, **changes: Any) -> Still:
    """The page's server, whose status is that of the service but for `changes`."""
    await asyncio.to_thread(service.settled)
    async with httpx.AsyncClient(trust_env=False) as client:
        look = (await client.get(f"{service.page_url}/api/status")).json()
    return Still(msgspec.json.encode({**look, "status": {**look["status"], **changes}}))


async def test_where_all_is_well_there_are_no_notes(browser: Browser, service: Service) -> None:
    """Nor where something is prewarmed again that had been lost."""
    still = await told(service, prewarm_lost=LOST, prewarmed=7)
    async with still.served() as url, visiting(browser, url) as visitor:
        await visitor.see("#headline", "is serving")
        assert await visitor.page.locator("#notes").is_hidden()


async def test_what_was_lost_and_what_is_tried_again_is_told(browser: Browser, service: Service) -> None:
    """Why nothing is prewarmed any more, when the watch tries again what was refused, and that nobody will come."""
    still = await told(service, prewarm_lost=LOST, watch=WAITS, outlook="gone")
    async with still.served() as url, visiting(browser, url) as visitor:
        await visitor.see("#notes [data-note=prewarm]", "Nothing is prewarmed: release 7")
        await visitor.see("#notes [data-note=prewarm] code", "modelsvc ctl prewarm")
        await visitor.see("#notes [data-note=retry]", "Deployment 5 is tried again by itself, next at ")
        retry = await visitor.text("#notes [data-note=retry]")
        assert ":04:05" in retry and "it would need 9 GB" in retry and "blue" not in retry
        await visitor.see("#notes [data-note=gone]", "No worker will serve by itself")


async def test_files_that_cannot_be_read_for_now_are_told(browser: Browser, service: Service) -> None:
    """No deployment is behind that."""
    waits = {**WAITS, "verdict": "rejected", "reason": "a file server is away", "retry_of": None}
    still = await told(service, watch=waits)
    async with still.served() as url, visiting(browser, url) as visitor:
        await visitor.see("#notes [data-note=retry]", "The files are looked at again, next at ")
