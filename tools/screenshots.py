"""`make screenshots`: the status page during a real deployment under traffic, as docs/img shows it.

A service with the built-in model is started in a place of its own and used for a while by clients; then it is deployed
anew, and while the new colour is watched the page is taken: light, dark, and as a phone shows it.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import tomli_w
from disposable.ports import free_ports
from loadtest.traffic import Traffic
from playwright.async_api import Browser, Page, async_playwright
from tools.demo import Place, run, start

IMAGES = Path(__file__).parent.parent / "docs" / "img"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BEFORE_S = 75.0  # of traffic, so that there is something in the charts
CLIENTS = 5
THINK_S = 0.35
BAKE_S = 8.0
BUDGET_GB = 0.4
WATCHED = "#steps > li:nth-child(12)[data-state=running]"
VIEWS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 1650}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 1650}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 1180}, "color_scheme": "light", "device_scale_factor": 1.5},
}


def main() -> int:
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        print(f"no browser found: install one of {', '.join(BROWSERS)}", file=sys.stderr)
        return 1
    place = Place(Path(tempfile.mkdtemp(prefix="modelsvc-page-")), *free_ports(4))
    IMAGES.mkdir(exist_ok=True)
    asyncio.run(take(place, program))
    shutil.rmtree(place.home)
    return 0


async def take(place: Place, program: str) -> None:
    """All views of one deployment."""
    write_config(place)
    with ExitStack() as stack:
        await start(place, stack)
        traffic = Traffic(place.url, CLIENTS, stream_share=0.5, think_s=THINK_S)
        await traffic.start()
        try:
            async with pages(f"http://127.0.0.1:{place.metrics}", program) as views:
                await asyncio.gather(*(say(page, "My name is Ada.") for page in views.values()))
                await asyncio.sleep(BEFORE_S)
                deploying = asyncio.create_task(run(place, "ctl", "deploy"))
                await asyncio.gather(*(page.wait_for_selector(WATCHED) for page in views.values()))
                await asyncio.gather(*(say(page, "What is my name?") for page in views.values()))
                await asyncio.sleep(BAKE_S / 2)
                for name, page in views.items():
                    await page.screenshot(path=IMAGES / f"page-deployment-{name}.png")
                await deploying
        finally:
            await traffic.stop()
        await run(place, "ctl", "shutdown")


def write_config(place: Place) -> None:
    values = {
        "edge": {"listen": f"127.0.0.1:{place.edge}"},
        "workers": {"blue_port": place.blue, "green_port": place.green},
        "control": {"metrics_listen": f"127.0.0.1:{place.metrics}"},
        "deploy": {"bake_s": BAKE_S},
        "memory": {"budget_gb": BUDGET_GB},
    }
    place.config.write_text(tomli_w.dumps(values))


@asynccontextmanager
async def pages(url: str, program: str) -> AsyncIterator[dict[str, Page]]:
    """The page in each of the VIEWS."""
    async with async_playwright() as playwright, AsyncExitStack() as stack:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        stack.push_async_callback(browser.close)
        yield {name: await opened(browser, url, view) for name, view in VIEWS.items()}


async def opened(browser: Browser, url: str, view: dict[str, Any]) -> Page:
    page = await (await browser.new_context(**view)).new_page()
    await page.goto(url)
    await page.wait_for_selector("#steps > li")
    return page


async def say(page: Page, message: str) -> None:
    """One turn, to its end."""
    turns = await page.locator(".said.model").count()
    await page.fill("#chat-message", message)
    await page.press("#chat-message", "Enter")
    await page.locator(".said.model").nth(turns).locator(".by", has_text="tokens").wait_for()
    await page.locator("#chat-message").blur()
    await page.evaluate("scrollTo(0, 0)")


if __name__ == "__main__":
    sys.exit(main())
