// A conversation through the edge. Each answer tells which colour gave it, and with which release.

import { ApiError, ask, postJson, serverEvents } from "./api.js";
import { byId, h, setData, setProse } from "./dom.js";
import { rate, seconds } from "./format.js";

const USER = "modelsvc-conversation";
const MAX_TOKENS = 512;

export class Chat {
  constructor() {
    this.running = null;
    this.allowed = false;
    byId("chat-form").addEventListener("submit", (event) => this.submit(event));
    byId("chat-message").addEventListener("keydown", (event) => this.onKey(event));
    byId("chat-message").addEventListener("input", grow);
    byId("chat-new").addEventListener("click", () => this.begin());
  }

  /** Whether whoever looks may chat; `why` not. */
  allow(may, why) {
    byId("chat-message").disabled = !may;
    byId("chat-send").disabled = !may && !this.running;
    byId("chat-new").disabled = !may;
    byId("chat-note").hidden = may;
    setProse(byId("chat-note"), may ? "" : why);
    if (may && !this.allowed) this.recall();
    if (!may) this.hint("Chat needs an API key.");
    this.allowed = may;
  }

  get user() {
    if (!sessionStorage.getItem(USER)) sessionStorage.setItem(USER, `page-${crypto.getRandomValues(new Uint32Array(3)).join("-")}`);
    return sessionStorage.getItem(USER);
  }

  /** What was said before the page was loaded again. */
  async recall() {
    this.hint("Ask something, deploy, and ask again: the conversation goes on with the other colour.");
    if (!sessionStorage.getItem(USER)) return;
    const told = await ask(`/api/chat/${this.user}`).then((response) => response.json(), () => ({ messages: [] }));
    if (byId("transcript").querySelector(".said")) return;
    for (const { role, content } of told.messages) role === "user" ? this.say(content) : this.answer().words.append(content);
  }

  /** Forget the conversation, here and on disk. */
  async begin() {
    this.running?.abort();
    const user = sessionStorage.getItem(USER);
    sessionStorage.removeItem(USER);
    byId("transcript").replaceChildren();
    this.hint("A new conversation.");
    byId("chat-message").focus();
    const headers = { "content-type": "application/json" };
    if (user) await ask(`/api/chat/${user}`, { method: "DELETE", headers }).catch(() => {});
  }

  submit(event) {
    event.preventDefault();
    if (this.running) return this.running.abort();
    const field = byId("chat-message");
    const message = field.value.trim();
    if (!message) return;
    field.value = "";
    grow();
    this.turn(message);
  }

  onKey(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (!this.running) byId("chat-form").requestSubmit();
  }

  async turn(message) {
    this.say(message);
    const answer = this.answer();
    this.running = new AbortController();
    byId("chat-send").textContent = "Stop";
    try {
      await this.stream(message, answer);
    } catch (error) {
      fail(answer, error);
    } finally {
      answer.item.classList.remove("waiting");
      answer.words.classList.remove("cursor");
      this.running = null;
      byId("chat-send").textContent = "Send";
    }
  }

  async stream(message, answer) {
    const body = { message, stream: true, max_tokens: MAX_TOKENS };
    const response = await postJson(`/api/chat/${this.user}`, body, { signal: this.running.signal });
    by(answer, response.headers.get("x-modelsvc-color"), response.headers.get("x-modelsvc-release"));
    let ended = false;
    for await (const { event, data } of serverEvents(response)) {
      const told = JSON.parse(data);
      if (event === "token") this.append(answer, told.text);
      if (event === "error") throw new ApiError(0, told.error.code, told.error.message);
      if (event === "done") ended = done(answer, told);
    }
    if (!ended) throw new Error("the answer broke off");
  }

  append(answer, text) {
    const list = byId("transcript");
    const below = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    answer.words.append(text);
    answer.words.normalize();
    if (below) list.scrollTop = list.scrollHeight;
  }

  say(message) {
    byId("transcript").querySelector(".hint")?.remove();
    this.add(h("li", { class: "said user" }, message));
  }

  answer() {
    const words = h("span", { class: "words cursor" });
    const byLine = h("span", { class: "by" });
    const item = h("li", { class: "said model waiting" }, words, byLine);
    this.add(item);
    if (!this.running) words.classList.remove("cursor");
    return { item, words, byLine };
  }

  add(item) {
    byId("transcript").append(item);
    byId("transcript").scrollTop = byId("transcript").scrollHeight;
  }

  hint(text) {
    const list = byId("transcript");
    if (list.querySelector(".said")) return;
    list.replaceChildren(h("li", { class: "hint" }, text));
  }
}

function by(answer, color, release) {
  if (!color) return;
  setData(answer.item, "color", color);
  setData(answer.item, "release", release);
  answer.byLine.replaceChildren(h("b", {}, color), h("span", {}, `release ${release}`));
}

function done(answer, { color, release, usage, timings, finish_reason: reason }) {
  by(answer, color, String(release));
  const facts = [`${usage.completion_tokens} tokens`, `first after ${seconds(timings.first_token_seconds)}`];
  if (timings.tokens_per_second) facts.push(`${rate(timings.tokens_per_second)} tokens/s`);
  if (reason === "length") facts.push("cut at the limit");
  answer.byLine.append(...facts.map((fact) => h("span", {}, fact)));
  return true;
}

function fail(answer, error) {
  const stopped = error.name === "AbortError";
  answer.item.classList.toggle("failed", !stopped);
  if (stopped) answer.byLine.append(h("span", {}, "stopped; not remembered"));
  else answer.words.append(answer.words.textContent ? "\n" : "", error instanceof TypeError ? "The supervisor does not answer." : error.message);
}

function grow() {
  const field = byId("chat-message");
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}
