// The end of a log, followed while somebody looks at it.

import { getJson } from "./api.js";
import { byId, h, setData, setProse } from "./dom.js";
import { clock } from "./format.js";

const SOURCES = ["supervisor", "blue", "green", "edge"];
const LINES = 300;
const NEAR = 30; // pixels from the end that still count as being there

export class Logs {
  constructor() {
    this.source = SOURCES[0];
    this.cursor = "";
    this.visible = false;
    this.allowed = false;
    this.buttons = SOURCES.map((source) => this.button(source));
    byId("log-sources").append(...this.buttons);
    byId("log-sources").addEventListener("keydown", (event) => this.onKey(event));
    byId("log").addEventListener("scroll", () => this.onScroll(), { passive: true });
    byId("log-follow").addEventListener("change", () => this.toEnd());
    new IntersectionObserver((seen) => this.onSeen(seen.at(-1).isIntersecting)).observe(byId("log"));
    this.choose(this.source);
  }

  /** Whether whoever looks may read logs; `why` not. */
  allow(may, why) {
    byId("logs-note").hidden = may;
    setProse(byId("logs-note"), may ? "" : why);
    byId("log").hidden = !may;
    if (!may) this.forget();
    this.allowed = may;
  }

  /** Ask what is new, unless nobody can see it. */
  async refresh() {
    if (!this.allowed || !this.visible) return;
    const source = this.source;
    const told = await getJson(`/api/logs?source=${source}&lines=${LINES}&cursor=${this.cursor}`);
    if (source !== this.source || told.lines === null) return;
    this.cursor = told.cursor;
    this.draw(told);
  }

  forget() {
    this.cursor = "";
    byId("log").replaceChildren();
  }

  draw({ lines, shortened }) {
    const shown = lines.map(lineOf);
    if (shortened) shown.unshift(h("p", { class: "f" }, `… the last ${lines.length} lines; \`modelsvc ctl logs ${this.source} -n N\` shows more`));
    if (!lines.length) shown.push(h("p", { class: "f" }, "Nothing yet."));
    byId("log").replaceChildren(...shown);
    this.toEnd();
  }

  toEnd() {
    if (byId("log-follow").checked) byId("log").scrollTop = byId("log").scrollHeight;
  }

  /** Scrolling up stops following, scrolling to the end goes on. */
  onScroll() {
    const box = byId("log");
    byId("log-follow").checked = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
  }

  onSeen(visible) {
    this.visible = visible;
    if (visible) this.refresh().catch(() => {}); // it is asked again soon
  }

  choose(source) {
    this.source = source;
    this.forget();
    for (const button of this.buttons) {
      const chosen = button.dataset.source === source;
      button.setAttribute("aria-checked", chosen);
      button.tabIndex = chosen ? 0 : -1;
    }
    this.refresh().catch(() => {});
  }

  onKey(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (SOURCES.indexOf(this.source) + step + SOURCES.length) % SOURCES.length;
    this.buttons[next].focus();
    this.buttons[next].click();
  }

  button(source) {
    const about = { type: "button", role: "radio", "data-source": source, "aria-checked": "false" };
    return h("button", { ...about, onclick: () => this.choose(source) }, source);
  }
}

/** A JSON line as its time, its event and what else it says; any other line as it is. */
function lineOf(line) {
  const told = parsed(line);
  if (!told) return h("p", {}, line);
  const { timestamp, level, event, ...rest } = told;
  const moment = new Date(timestamp);
  const item = h(
    "p",
    {},
    h("span", { class: "t" }, Number.isNaN(moment.getTime()) ? "" : `${clock(moment)} `),
    h("span", { class: "e" }, String(event ?? "")),
    h("span", { class: "f" }, Object.entries(rest).map(([name, value]) => ` ${name}=${typeof value === "string" ? value : JSON.stringify(value)}`).join("")),
  );
  setData(item, "level", level);
  return item;
}

function parsed(line) {
  if (!line.startsWith("{")) return null;
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
