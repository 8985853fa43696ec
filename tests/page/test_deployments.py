"""A deployment watched from the page, step by step, to its end."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser
from tests.page.browser import visiting
from tests.support import service_models as models
from tests.support.service_fixture import Service, other

pytestmark = pytest.mark.asyncio(loop_scope="session")

STEPS = list(range(1, 14))
NOTE_DETAILS = """() => {
  window.said = new Set();
  const detail = document.querySelector("#steps > li:nth-child(5) .detail");
  const options = { childList: true, subtree: true };
  new MutationObserver(() => said.add(detail.textContent)).observe(detail, options);
}"""


async def test_a_deployment_is_watched_from_its_first_step_to_its_last(browser: Browser, service: Service) -> None:
    """Each of the 13 steps is seen running and then done, in order; the active colour changes before the eyes, and a
    conversation through the page goes on with the other colour."""
    before = (await asyncio.to_thread(service.settled)).active
    after, number = other(before), (await asyncio.to_thread(service.history))[0].deployment
    async with visiting(browser, service.page_url) as visitor:
        await visitor.see(f"#color-{before}[data-active=true]", "active")
        await visitor.see("#deployment-title", f"Deployment {number}")
        assert await visitor.ask("My name is Ada.") == ("Nice to meet you, Ada.", before, "1")

        deploying = asyncio.create_task(asyncio.to_thread(service.ctl, "deploy"))
        await visitor.see("#headline", f"Deploying from {before} to {after}")
        await visitor.see("#deployment:not([data-outcome])", f"Deployment {number + 1}")
        await visitor.see("#steps > li[data-state=running][aria-current=step]")
        await visitor.see("#deployment[data-outcome=succeeded]", "Succeeded")
        assert (await deploying).code == 0

        assert await visitor.steps() == ["done"] * 13
        assert await visitor.page.locator("#steps > [aria-current]").count() == 0
        transitions = await visitor.transitions()
        for step in STEPS:
            assert transitions[step][-3:] == ["pending", "running", "done"], (step, transitions[step])
        assert await visitor.first_changes("running") == STEPS
        await visitor.see(f"#color-{after}[data-active=true]", "active")
        await visitor.see("#headline", "is serving release 2")
        assert await visitor.page.get_attribute("#wire", "data-to") == after
        assert await visitor.ask("What is my name?") == ("Your name is Ada.", after, "2")

        seconds = await visitor.page.locator("#steps .took").all_inner_texts()
        assert all(text.endswith((" s", " ms")) for text in seconds), seconds
        details = await visitor.page.locator("#steps .detail").all_inner_texts()
        assert details[3].startswith("pid ") and details[12].endswith("0 failed"), details


async def test_progress_within_a_step_is_shown(browser: Browser, service: Service) -> None:
    """What the new worker says while it loads, which is told by events and kept nowhere."""
    async with visiting(browser, service.page_url) as visitor:
        await visitor.see("#deployment-title", "Deployment")
        await visitor.see("#steps > li")
        await visitor.page.evaluate(NOTE_DETAILS)
        assert (await asyncio.to_thread(service.ctl, "deploy", "--set", "model.slots=3")).code == 0
        await visitor.see("#deployment[data-outcome=succeeded]")
        said: list[str] = await visitor.page.evaluate("[...said]")
        assert any("loading" in text for text in said), said


async def test_a_failed_deployment_shows_why_and_what_was_undone(
    browser: Browser, service: Service, tmp_path: Path
) -> None:
    """The reason, the step that failed, and those that were taken back; the active colour is as it was."""
    before = (await asyncio.to_thread(service.settled)).active
    model = tmp_path / "missing.gguf"
    models.tensor_missing(model)
    async with visiting(browser, service.page_url) as visitor:
        ran = await asyncio.to_thread(service.ctl, "deploy", "--model", model, "--json")
        assert ran.last["outcome"] == "rolled_back"
        await visitor.see("#deployment[data-outcome=rolled_back]", "Rolled back")
        states = await visitor.steps()
        assert states[4] == "failed", states
        assert "undone" in states[:4] and set(states[5:]) == {"pending"}, states
        assert await visitor.text("#deployment-reason") == ran.last["reason"]
        await visitor.see("#steps > li[data-state=failed]", "failed")
        await visitor.see("#steps > li[data-state=undone]", "undone")
        await visitor.see(f"#color-{before}[data-active=true]")
        await visitor.see("#headline", "is serving")


async def test_recent_deployments_open_with_their_evidence(browser: Browser, service: Service) -> None:
    """By keyboard as well; what was open stays open when a new one joins the list."""
    async with visiting(browser, service.page_url) as visitor:
        first = visitor.page.locator("#history details", has_text="Succeeded").first
        await first.locator("summary").focus()
        await visitor.page.keyboard.press("Enter")
        told = await first.locator(".told").inner_text()
        for words in ("mapped", "context tokens", "standby: KV cache", "requests", "Recorded"):
            assert words in told, words
        assert "NaN" not in told and "undefined" not in told and "[object" not in told
        opened = await first.get_attribute("data-of")
        before = await visitor.page.locator("#history details").count()
        assert (await asyncio.to_thread(service.ctl, "rollback")).code == 0
        await visitor.page.wait_for_function(
            "n => document.querySelectorAll('#history details').length > n", arg=before
        )
        assert await visitor.page.locator(f"#history details[data-of='{opened}']").get_attribute("open") is not None
