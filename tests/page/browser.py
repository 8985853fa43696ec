"""The status page in a real Chromium, of which everything that must not happen is written down."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
PATIENCE_MS = 30_000
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}

# Runs before the page's own scripts.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
window.transitions = [];
document.addEventListener("DOMContentLoaded", () => {
  const note = (records) => {
    for (const { target, oldValue } of records) {
      const number = [...target.parentNode.children].indexOf(target) + 1;
      window.transitions.push([number, oldValue]);
    }
  };
  const options = { subtree: true, attributes: true, attributeFilter: ["data-state"], attributeOldValue: true };
  new MutationObserver(note).observe(document.getElementById("steps"), options);
});
"""


@dataclass
class Visitor:
    """A page, and what was seen of it. `tolerated`: parts of console errors that the test brings about."""

    page: Page
    context: BrowserContext
    origin: str
    tolerated: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", lambda told: self._told(told.type, told.text))
        self.page.on("pageerror", lambda error: self.errors.append(f"page error: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def _told(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not any(part in text for part in self.tolerated):
            self.errors.append(f"{kind}: {text}")

    async def see(self, selector: str, text: str | None = None) -> None:
        """Wait until it is shown, with that text in it."""
        found = self.page.locator(selector, has_text=text) if text else self.page.locator(selector)
        await found.first.wait_for(state="visible")

    async def text(self, selector: str) -> str:
        return await self.page.locator(selector).first.inner_text()

    async def ask(self, message: str) -> tuple[str, str | None, str | None]:
        """One turn through the chat box: the answer, and by which colour and release."""
        before = await self.page.locator(".said.model").count()
        await self.page.fill("#chat-message", message)
        await self.page.press("#chat-message", "Enter")
        answer = self.page.locator(".said.model").nth(before)
        await answer.locator(".by", has_text="tokens").wait_for()
        return (
            await answer.locator(".words").inner_text(),
            await answer.get_attribute("data-color"),
            await answer.get_attribute("data-release"),
        )

    async def steps(self) -> list[str | None]:
        """The states of all 13 steps as they are shown."""
        found: list[str | None] = await self.page.evaluate(
            "[...document.querySelectorAll('#steps > li')].map((step) => step.dataset.state)"
        )
        return found

    async def transitions(self) -> dict[int, list[str]]:
        """The states that each step had, one after the other, to that of now."""
        told = await self.page.evaluate("window.transitions")
        now = await self.steps()
        return {
            number: [*(old for its, old in told if its == number), str(state)] for number, state in enumerate(now, 1)
        }

    async def first_changes(self, state: str) -> list[int]:
        """The steps in the order in which they left `state`."""
        told = await self.page.evaluate("window.transitions")
        return list(dict.fromkeys(number for number, old in told if old == state))

    async def check(self) -> None:
        """Nothing went wrong, nothing was asked elsewhere, nothing is wider than the window."""
        assert self.errors == []
        assert await self.page.evaluate("window.violations") == []
        assert [url for url in self.requests if not url.startswith(f"{self.origin}/")] == []
        wide, window = await self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window, f"{wide} pixels in a window of {window}"


def chromium() -> str:
    """The system's browser; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), str(MAC) if MAC.exists() else None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    return found


@asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def visiting(
    browser: Browser, url: str, tolerated: tuple[str, ...] = (), **context: Any
) -> AsyncIterator[Visitor]:
    """Open the page at `url` as somebody who was never there; `check` it at the end. `context`: Playwright's settings
    of a browser context."""
    opened = await browser.new_context(**context)
    try:
        await opened.add_init_script(WATCH)
        visitor = Visitor(await opened.new_page(), opened, url, list(tolerated))
        visitor.watch()
        await visitor.page.goto(f"{url}/")
        yield visitor
        await visitor.check()
    finally:
        await opened.close()
