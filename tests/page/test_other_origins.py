"""A page of another origin in a real Chromium, which asks the service by itself, as a chat in the browser does."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
import tomli_w
from playwright.async_api import Browser, Page
from tests.support.service_fixture import Service, service_folder

from modelsvc import keyfile

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASK = """async ([url, key, body]) => {
  const headers = { "Content-Type": "application/json", "Authorization": `Bearer ${key}`, "X-Stainless-OS": "Linux" };
  try {
    const answer = await fetch(url, { method: "POST", headers, body });
    const { status, headers: its } = answer;
    return { status, color: its.get("x-modelsvc-color"), retry: its.get("retry-after"), body: await answer.json() };
  } catch (error) {
    return { failed: error.name };
  }
}"""
HELLO = '{"messages": [{"role": "user", "content": "Hello"}], "temperature": 0}'


class Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@dataclass
class Site:
    """Where pages come from, and a service that knows one of the two."""

    named: str
    other: str
    service: Service
    key: str


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Empty) for _ in range(2)]
    named, other = (f"http://localhost:{server.server_port}" for server in servers)
    for server in servers:
        Thread(target=server.serve_forever).start()
    security = {"api_keys_file": "keys", "allowed_origins": [named]}
    try:
        with service_folder(tables={"security": security}) as service:
            service.config.write_text(tomli_w.dumps(service.tables))
            key = keyfile.add(service.folder / "keys", "ada")
            service.up()
            yield Site(named, other, service, key)
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


@asynccontextmanager
async def page_of(browser: Browser, origin: str) -> AsyncIterator[Page]:
    context = await browser.new_context()
    try:
        page = await context.new_page()
        await page.goto(f"{origin}/")
        yield page
    finally:
        await context.close()


async def ask(site: Site, page: Page, body: str = HELLO, key: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = await page.evaluate(ASK, [f"{site.service.url}/v1/chat/completions", key or site.key, body])
    return found


async def test_a_page_that_is_named_reads_answers_and_errors(browser: Browser, site: Site) -> None:
    """The model's, the worker's, the edge's own; and in the end that nobody serves, and when to come back."""
    async with page_of(browser, site.named) as page:
        asked = partial(ask, site, page)
        answer = await asked()
        assert (answer["status"], answer["color"]) == (200, "blue")
        assert answer["body"]["choices"][0]["message"]["content"]
        refused = await asked(key=keyfile.make_key())
        assert (refused["status"], refused["body"]["error"]["code"]) == (401, "wrong_api_key")
        too_large = await asked(" " * (2**20 + 1))
        assert (too_large["status"], too_large["body"]["error"]["code"]) == (413, "body_too_large")
        assert site.service.ctl("stop", "blue", "--force").code == 0
        gone = await asked()
        assert (gone["status"], gone["retry"], gone["body"]["error"]["code"]) == (503, "60", "no_worker")


async def test_another_page_is_told_nothing(browser: Browser, site: Site) -> None:
    """Its browser asks first, is told nothing, and does not send the question."""
    async with page_of(browser, site.other) as page:
        assert await ask(site, page) == {"failed": "TypeError"}
