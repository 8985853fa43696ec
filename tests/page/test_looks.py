"""How the page looks and is used: light and dark, on a phone, by keyboard, with text that is no HTML."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, Route
from tests.page.browser import PHONE, Visitor, visiting
from tests.support import service_models as models
from tests.support.scripted_gguf import write_scripted_gguf
from tests.support.service_fixture import Service

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}{{ '<|im_start|>assistant\\n' }}"
EVIL = "<img src=x onerror=\"document.title='owned'\">"
LEAST_CONTRAST = 4.5
IN_ORDER = ["theme-button", "transcript", "chat-message", "chat-send", "supervisor"]
MOVING = """() => {
  const every = [...document.querySelectorAll("*")];
  const slides = every.filter((each) => getComputedStyle(each).transitionDuration !== "0s");
  return document.getAnimations().length + slides.length;
}"""
SMALL = """(least) => [...document.querySelectorAll("button, summary, textarea")]
  .filter((each) => each.checkVisibility())
  .map((each) => [each.textContent, each.getBoundingClientRect().height])
  .filter(([, height]) => height < least)
"""
LEAST_HEIGHT = 32
STRANGE = "\u202e" + "long_" * 40 + ".gguf"  # the first character turns all around that comes after it

# Whether the first two letters or digits after the name, in what begins with `line`, stand from left to right.
IN_ORDER_AFTER = """([line, name]) => {
  const walk = document.createTreeWalker(document.querySelector(line), NodeFilter.SHOW_TEXT);
  while (walk.nextNode() && !walk.currentNode.textContent.includes(name));
  while (walk.nextNode()) {
    const at = walk.currentNode.textContent.search(/[0-9A-Za-z]{2}/);
    if (at < 0) continue;
    const left = (place) => {
      const range = new Range();
      range.setStart(walk.currentNode, place);
      range.setEnd(walk.currentNode, place + 1);
      return range.getBoundingClientRect().left;
    };
    return left(at) < left(at + 1);
  }
  throw new Error(`nothing comes after ${name}`);
}"""

# Each visible text's contrast with what is behind it, as WCAG has it; those below the least.
FAINT = """(least) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const text = walk.currentNode.textContent.trim();
    if (!text || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (element.closest("button:disabled, textarea:disabled, .unseen, .skip")) continue;
    const svg = element.namespaceURI.endsWith("svg");
    const style = getComputedStyle(element);
    const [one, other] = [light(rgba(svg ? style.fill : style.color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < least) faint.push(`${ratio.toFixed(2)} ${element.className.baseVal ?? element.className} "${text}"`);
  }
  return faint;
}"""


async def background(visitor: Visitor) -> str:
    return str(await visitor.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


async def settled(visitor: Visitor) -> None:
    """All panels have something to show."""
    await visitor.see("#headline", "is serving")
    await visitor.see("#steps > li")
    await visitor.see("#chart-latency text")


async def surely(route: Route) -> None:
    """At temperature 0, since a model of a test knows no probabilities."""
    body = route.request.post_data_json
    await (route.continue_(post_data={**body, "temperature": 0}) if body else route.continue_())


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_stands_out_in_both_themes(browser: Browser, service: Service, scheme: str) -> None:
    """By the contrast that WCAG AA asks of small text; the evidence of a deployment included."""
    async with visiting(browser, service.page_url, color_scheme=scheme) as visitor:
        await settled(visitor)
        await visitor.ask("Hello!")
        await visitor.page.locator("#history summary").first.click()
        await visitor.page.locator("#log").scroll_into_view_if_needed()
        await visitor.see("#log .e")
        assert await visitor.page.evaluate(FAINT, LEAST_CONTRAST) == []
        assert await visitor.page.evaluate(FAINT, 99), "the measure sees texts"


async def test_the_theme_follows_the_system_until_one_is_chosen(browser: Browser, service: Service) -> None:
    """The choice outlives the page, and is in force before anything is drawn."""
    async with visiting(browser, service.page_url, color_scheme="dark") as visitor:
        dark = await background(visitor)
        await visitor.page.emulate_media(color_scheme="light")
        light = await background(visitor)
        assert light != dark
        await visitor.page.click("#theme-button")
        await visitor.page.click("#theme-button")
        assert (await visitor.text("#theme-name"), await background(visitor)) == ("dark", dark)
        await visitor.page.emulate_media(media="print")
        assert await background(visitor) == light, "paper is white"
        await visitor.page.emulate_media(media="screen")
        await visitor.page.reload(wait_until="commit")
        await visitor.page.wait_for_selector("#headline")
        assert await background(visitor) == dark
        await visitor.page.click("#theme-button")
        assert (await visitor.text("#theme-name"), await background(visitor)) == ("system", light)


async def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Browser, service: Service) -> None:
    """Evidence, answers without spaces and logs included; and everything can be hit with a thumb."""
    async with visiting(browser, service.page_url, **PHONE) as visitor:
        await settled(visitor)
        await visitor.ask("x" * 300)
        await visitor.page.locator("#history summary").first.tap()
        await visitor.page.locator("#log").scroll_into_view_if_needed()
        await visitor.see("#log .e")
        wide = await visitor.page.evaluate("document.documentElement.scrollWidth")
        assert wide == 360
        small = await visitor.page.evaluate(SMALL, LEAST_HEIGHT)
        assert small == []


async def test_any_name_of_a_model_is_shown_in_its_place(browser: Browser, service: Service) -> None:
    """However long it is, nothing is wider than the screen; however it is written, it turns nothing else around."""

    async def renamed(route: Route) -> None:
        look = await (await route.fetch()).json()
        look["status"]["release"]["model_path"] = f"/models/{STRANGE}"
        look["models"][0]["name"] = STRANGE
        await route.fulfill(json=look)

    async with visiting(browser, service.page_url, **PHONE) as visitor:
        await visitor.page.route("**/api/status", renamed)
        await visitor.see("#subline", STRANGE)
        await visitor.see("#memory-legend", STRANGE)
        assert await visitor.page.evaluate("document.documentElement.scrollWidth") == 360
        for line in ("#subline", "#memory-legend li"):
            assert await visitor.page.evaluate(IN_ORDER_AFTER, [line, STRANGE]), f"turned around in {line}"
        await visitor.page.unroute_all(behavior="wait")


async def test_everything_can_be_done_by_keyboard(browser: Browser, service: Service) -> None:
    """Chat, logs and the rest are reached in the order in which they are seen."""
    async with visiting(browser, service.page_url) as visitor:
        await settled(visitor)
        press = visitor.page.keyboard.press
        focused = "document.activeElement.id || document.activeElement.dataset.source"
        reached = []
        for _ in range(14):
            await press("Tab")
            reached.append(await visitor.page.evaluate(focused))
        assert [name for name in dict.fromkeys(reached) if name in IN_ORDER] == IN_ORDER, reached
        await visitor.page.focus("[data-source=supervisor]")
        await press("ArrowRight")
        assert await visitor.page.evaluate(focused) == "blue"
        assert await visitor.page.get_attribute("[data-source=blue]", "aria-checked") == "true"
        await visitor.see("#log .e", "ready")


async def test_motion_is_left_out_for_those_who_ask_for_it(browser: Browser, service: Service) -> None:
    """Nothing turns, breathes or slides."""
    async with visiting(browser, service.page_url, reduced_motion="reduce") as visitor:
        await settled(visitor)
        assert await visitor.page.evaluate(MOVING) == 0
    async with visiting(browser, service.page_url, reduced_motion="no-preference") as visitor:
        await settled(visitor)
        assert await visitor.page.evaluate(MOVING) > 0


async def test_what_a_model_a_log_or_an_error_says_is_text(browser: Browser, service: Service, tmp_path: Path) -> None:
    """Never HTML: no element is made of it, and no script runs."""
    model = tmp_path / "evil.gguf"
    write_scripted_gguf(model, [EVIL, " <script>document.title='owned'</script>", " done"], TEMPLATE)
    named = tmp_path / f"{EVIL}.gguf"
    models.truncated(named)
    async with visiting(browser, service.page_url) as visitor:
        await settled(visitor)
        assert (await asyncio.to_thread(service.ctl, "deploy", "--model", model)).code == 0
        await visitor.page.route("**/api/chat/*", surely)
        answer, _, _ = await visitor.ask(EVIL)
        assert answer == f"{EVIL} <script>document.title='owned'</script> done"
        assert await visitor.text(".said.user") == EVIL
        assert (await asyncio.to_thread(service.ctl, "deploy", "--model", named)).code != 0
        await visitor.see("#deployment-reason", EVIL)
        await visitor.page.locator("#log").scroll_into_view_if_needed()
        await visitor.see("#log p", "onerror")
        await visitor.page.locator("#history summary").first.click()
        await visitor.see(".why-it-failed", EVIL)
        assert await visitor.page.locator("main img, main script").count() == 0
        assert "owned" not in await visitor.page.title()
        assert (await asyncio.to_thread(service.ctl, "rollback")).code == 0
