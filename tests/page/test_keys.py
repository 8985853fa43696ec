"""The page of a service that demands API keys."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest
import tomli_w
from playwright.async_api import Browser
from tests.page.browser import visiting
from tests.support.service_fixture import Service, service_folder

from modelsvc import keyfile

pytestmark = pytest.mark.asyncio(loop_scope="session")

UNAUTHORIZED = "status of 401"


@pytest.fixture(scope="module")
def keyed() -> Iterator[tuple[Service, str]]:
    with service_folder(tables={"security": {"api_keys_file": "keys"}}) as service:
        service.config.write_text(tomli_w.dumps(service.tables))
        key = keyfile.add(service.folder / "keys", "ada")
        service.up()
        yield service, key


async def test_a_key_opens_chat_logs_and_operations(browser: Browser, keyed: tuple[Service, str]) -> None:
    """Without it there is only looking. It is kept for this tab alone, and never in a place that outlives it."""
    service, key = keyed
    async with visiting(browser, service.page_url, tolerated=(UNAUTHORIZED,)) as visitor:
        await visitor.see("#headline", "Blue is serving")
        await visitor.see("#chat-note", "API key")
        assert await visitor.page.is_disabled("#chat-message")
        assert await visitor.page.is_hidden("#log")
        assert await visitor.page.is_hidden("#operation-buttons")

        await visitor.page.click("#key-button")
        await visitor.page.fill("#key-input", keyfile.make_key())
        await visitor.page.press("#key-input", "Enter")
        await visitor.see("#key-problem", "not known")
        await visitor.page.fill("#key-input", key)
        await visitor.page.click("#key-save")
        await visitor.see("#key-button", "Key: ada")
        await visitor.page.locator("#log").scroll_into_view_if_needed()
        await visitor.see("#log .e")
        assert (await visitor.ask("My name is Ada."))[:2] == ("Nice to meet you, Ada.", "blue")

        kept = await visitor.page.evaluate(
            "[Object.values(localStorage), Object.values(sessionStorage), document.cookie]"
        )
        assert key not in kept[0] and key in kept[1] and kept[2] == ""
        assert not any(key in url for url in visitor.requests)
        await visitor.page.reload()
        await visitor.see("#key-button", "Key: ada")
        await visitor.see(".said.model", "Nice to meet you, Ada.")
        other = await visitor.context.new_page()
        await other.goto(f"{service.page_url}/")
        await other.locator("#key-button", has_text="Enter key").wait_for()
        await other.close()


async def test_who_has_a_key_deploys_and_rolls_back_from_the_page(browser: Browser, keyed: tuple[Service, str]) -> None:
    """After a question; the end is told, and the history has it as any other deployment."""
    service, key = keyed
    async with visiting(browser, service.page_url) as visitor:
        await visitor.see("#headline", "is serving")
        await visitor.page.evaluate("key => sessionStorage.setItem('modelsvc-key', key)", key)
        await visitor.see("#operation-buttons")
        before = service.history()[0].deployment

        await visitor.page.click("text=Deploy >> visible=true")
        await visitor.page.click("#operation-dialog >> text=Cancel")
        await visitor.page.click("[data-operation=deployments]")
        await visitor.page.click("#operation-go")
        await visitor.see("#deployment[data-outcome=succeeded]", f"Deployment {before + 1}")
        await visitor.see(".toast", "Deploy: succeeded")
        await visitor.see("#headline", "Green is serving")
        await visitor.page.wait_for_selector("[data-operation=rollback]:enabled")
        await visitor.page.click("[data-operation=rollback]")
        await visitor.page.click("#operation-go")
        await visitor.see("#deployment[data-outcome=succeeded]", f"Deployment {before + 2}")
        await visitor.see("#headline", "Blue is serving")

    kinds = [str(each.kind) for each in service.history()[:3]]
    assert kinds == ["rollback", "deploy", "deploy"], "what was cancelled was not done"


async def test_a_new_conversation_deletes_the_one_before(browser: Browser, keyed: tuple[Service, str]) -> None:
    """On disk as well: the model does not remember, and nobody can read it."""
    service, key = keyed
    async with visiting(browser, service.page_url) as visitor:
        await visitor.see("#headline", "is serving")
        await visitor.page.evaluate("key => sessionStorage.setItem('modelsvc-key', key)", key)
        await visitor.see("#operation-buttons")
        await visitor.ask("My name is Ada.")
        user = await visitor.page.evaluate("sessionStorage.getItem('modelsvc-conversation')")
        assert await asyncio.to_thread(messages, service, user, key) == 2
        async with visitor.page.expect_response(lambda answer: answer.request.method == "DELETE"):
            await visitor.page.click("#chat-new")
        assert await visitor.page.locator(".said").count() == 0
        assert await asyncio.to_thread(messages, service, user, key) == 0
        answer, _, _ = await visitor.ask("What is my name?")
        assert "Ada" not in answer


def messages(service: Service, user: str, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.get(f"{service.url}/chat/{user}", headers=headers, trust_env=False)
    return len(answer.json()["messages"])
