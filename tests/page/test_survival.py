"""What the page bears: a supervisor that goes away and comes back, nobody serving, a hidden tab, logs without end."""

import asyncio
import json

import pytest
from playwright.async_api import Browser, Route
from tests.page.browser import PATIENCE_MS, visiting
from tests.support.service_fixture import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED = "net::ERR_"  # what the browser itself says of a connection that is not there
LONG = 200_000
WINDOWS = 8
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


async def test_the_page_outlives_the_supervisor(browser: Browser, service: Service) -> None:
    """It says that the connection is lost and what is shown is old, and goes on with the next supervisor by itself."""
    await asyncio.to_thread(service.settled)
    async with visiting(browser, service.page_url, tolerated=(REFUSED,)) as visitor:
        await visitor.see("[data-connection=live] #connection-text", "live")
        before = (await visitor.text("#about")).split("supervisor ")[1].split(" ")[0]
        await asyncio.to_thread(service.kill_supervisor)
        await visitor.see("#lost", "Connection lost")
        assert "as it was at" in await visitor.text("#lost")
        await visitor.see("#headline", "is serving")
        await visitor.page.fill("#chat-message", "Hello!")
        await visitor.page.press("#chat-message", "Enter")
        await visitor.see(".said.failed", "does not answer")

        await asyncio.to_thread(service.up)
        await visitor.see("[data-connection=live] #connection-text", "live")
        assert await visitor.page.locator("#lost").is_hidden()
        assert before not in await visitor.text("#about")
        answer, color, _ = await visitor.ask("Hello!")
        assert answer and color
        assert (await asyncio.to_thread(service.ctl, "deploy")).code == 0
        await visitor.see("#deployment[data-outcome=succeeded]")
        assert (await visitor.transitions())[13][-3:] == ["pending", "running", "done"], "events are followed again"


async def test_nobody_serving_is_told(browser: Browser, service: Service) -> None:
    """Also to those who chat; it is over when a worker is there again."""
    active = (await asyncio.to_thread(service.settled)).active
    async with visiting(browser, service.page_url, tolerated=("status of 503",)) as visitor:
        for color in ("blue", "green"):
            await asyncio.to_thread(service.ctl, "stop", color, "--force")
        await visitor.see("#color-blue[data-state=absent] .doing", "Not running")
        await visitor.see("#color-green[data-state=absent] .doing", "Not running")
        await visitor.page.wait_for_selector("#wire[data-held=true]", state="attached")
        assert "is serving" not in await visitor.text("#headline")
        await visitor.page.fill("#chat-message", "Hello!")
        await visitor.page.press("#chat-message", "Enter")
        await visitor.see(".said.failed", "no worker")
        assert (await asyncio.to_thread(service.ctl, "start", str(active))).code == 0
        await visitor.see("#headline", "is serving")
        assert (await visitor.ask("Hello!"))[1] == active


async def test_requests_that_are_held_by_an_operator_are_told(browser: Browser, service: Service) -> None:
    """With how many wait, and the way to let them through; then they are answered."""
    async with visiting(browser, service.page_url) as visitor:
        assert (await asyncio.to_thread(service.ctl, "pause")).code == 0
        await visitor.see("#headline", "Requests are held")
        await visitor.see("#subline", "modelsvc ctl resume")
        await visitor.page.fill("#chat-message", "Hello!")
        await visitor.page.press("#chat-message", "Enter")
        await visitor.see("#edge-facts div:has-text('waiting') dd", "1")
        assert (await asyncio.to_thread(service.ctl, "resume")).code == 0
        await visitor.see("#headline", "is serving")
        await visitor.see(".said.model .by", "tokens")
        await visitor.see("#edge-facts", "1 replayed")


async def test_a_hidden_tab_asks_for_nothing(browser: Browser, service: Service) -> None:
    """Nothing piles up behind it; when it is seen again it is up to date at once."""
    await asyncio.to_thread(service.settled)
    async with visiting(browser, service.page_url, tolerated=("net::ERR_ABORTED",)) as visitor:
        await visitor.see("#headline", "is serving")
        await visitor.page.evaluate(HIDE, True)
        await visitor.page.wait_for_load_state("networkidle")
        asked = len(visitor.requests)
        assert (await asyncio.to_thread(service.ctl, "deploy")).code == 0
        assert len(visitor.requests) == asked
        await visitor.page.evaluate(HIDE, False)
        await visitor.see("#deployment[data-outcome=succeeded]")
        await visitor.see("#deployment-title", f"Deployment {service.history()[0].deployment}")
        paths = [url.removeprefix(visitor.origin).partition("?")[0] for url in visitor.requests[asked:]]
        assert paths.count("/api/events") == 1, paths
        assert paths.count("/api/status") <= 4, paths


async def test_many_windows_leave_each_other_room(browser: Browser, service: Service) -> None:
    """A browser has six connections to a server. All windows are alive, and all see a deployment to its end."""
    await asyncio.to_thread(service.settled)
    async with visiting(browser, service.page_url) as visitor:
        pages = [visitor.page, *[await visitor.context.new_page() for _ in range(WINDOWS - 1)]]
        for page in pages[1:]:
            await page.goto(f"{service.page_url}/", timeout=PATIENCE_MS)
        assert (await asyncio.to_thread(service.ctl, "deploy")).code == 0
        number = service.history()[0].deployment
        for page in pages:
            await page.locator("#deployment-title", has_text=f"Deployment {number}").wait_for(timeout=PATIENCE_MS)
            await page.locator("#deployment[data-outcome=succeeded]").wait_for(timeout=PATIENCE_MS)
        followers = [url for url in visitor.requests if url.endswith("/api/events")]
        assert followers, "the first follows what happens"
        answer, color, _ = await visitor.ask("Hello!")
        assert answer and color


async def test_logs_without_end_are_shown_by_their_end(browser: Browser, service: Service) -> None:
    """Scrolling up stops following; lines of a megabyte are cut."""
    log = service.state.logs / "supervisor.log"
    with log.open("a") as file:
        file.writelines(json.dumps({"event": "filler", "number": number}) + "\n" for number in range(LONG))
        file.write(json.dumps({"event": "giant", "text": "y" * 1_000_000}) + "\n")
        file.writelines(json.dumps({"event": "later", "number": number}) + "\n" for number in range(400))
        file.write(json.dumps({"event": "long", "text": "z" * 50_000}) + "\n")
        file.write(json.dumps({"event": "the_last_line", "level": "warning"}) + "\n")
    async with visiting(browser, service.page_url) as visitor:
        await visitor.page.locator("#log").scroll_into_view_if_needed()
        await visitor.see("#log .e", "the_last_line")
        assert await visitor.page.locator("#log p").count() <= 301
        assert await visitor.page.evaluate("document.querySelector('#log').textContent.length") < 100_000
        at_end = "log => log.scrollHeight - log.scrollTop - log.clientHeight < 40"
        assert await visitor.page.eval_on_selector("#log", at_end)
        await visitor.page.eval_on_selector("#log", "log => log.scrollTop = 0")
        await visitor.page.wait_for_function("() => !document.querySelector('#log-follow').checked")
        with log.open("a") as file:
            file.write(json.dumps({"event": "another_line"}) + "\n")
        await visitor.page.wait_for_selector("#log .e:has-text('another_line')", state="attached")
        assert not await visitor.page.eval_on_selector("#log", at_end)


async def test_an_end_that_is_written_a_moment_late_is_seen(browser: Browser, service: Service) -> None:
    """The status may say that nothing is under way before the history has the outcome: it is asked again."""
    late = 2

    async def without_outcome(route: Route) -> None:
        nonlocal late
        answer = await route.fetch()
        told = await answer.json()
        if late:
            late -= 1
            told["deployments"][0] |= {"outcome": None, "finished_at": None}
        await route.fulfill(response=answer, json=told)

    await asyncio.to_thread(service.settled)
    async with visiting(browser, service.page_url) as visitor:
        await visitor.page.route("**/api/history", without_outcome)
        await visitor.page.reload()
        await visitor.see("#deployment[data-outcome]")
        assert late == 0
