// Recent deployments, each with its steps and their evidence.

import { outcomeText, tone } from "./deployment.js";
import { byId, h, redraw, setText } from "./dom.js";
import { evidenceList } from "./evidence.js";
import { ago, capital, seconds } from "./format.js";

export function drawHistory(all) {
  const deployments = all.filter((each) => each.outcome); // the one under way is seen above
  const opened = new Set([...byId("history").querySelectorAll("details[open]")].map((each) => each.dataset.of));
  if (!deployments.length) return;
  redraw(byId("history"), deployments, () => deployments.map((each) => entry(each, opened)));
  drawAges();
}

/** "3 min ago" goes on while nothing else changes. */
export function drawAges() {
  for (const when of byId("history").querySelectorAll("time")) setText(when, ago(new Date(when.dateTime), Date.now()));
}

function entry(deployment, opened) {
  const of = String(deployment.deployment);
  const details = h("details", { "data-of": of }, summary(deployment));
  details.addEventListener("toggle", () => fill(details, deployment));
  details.open = opened.has(of);
  return details;
}

function fill(details, deployment) {
  if (details.open && details.children.length === 1) details.append(story(deployment));
}

function summary({ deployment, kind, release, from_color: from, to_color: to, outcome, seconds: took, started_at: at }) {
  const route = h("span", { class: "route" });
  if (from && from !== to) route.append(h("b", { "data-color": from }, from), " → ");
  route.append(h("b", { "data-color": to }, to));
  return h(
    "summary",
    {},
    h("span", { class: "number" }, String(deployment)),
    h("span", {}, `${capital(kind)}${release ? `, release ${release}` : ""}`),
    route,
    h("span", { class: "ended", "data-tone": tone(outcome) }, outcome ? `${outcomeText(outcome)} ${seconds(took)}` : "Running"),
    h("span", { class: "when" }, h("time", { datetime: at, title: new Date(at).toLocaleString() })),
  );
}

function story({ reason, outcome, steps }) {
  const why = tone(outcome) && reason ? h("p", { class: "why-it-failed" }, reason) : null;
  return h("div", { class: "told" }, why, ...steps.map(stepOf));
}

function stepOf(step) {
  const found = Object.keys(step.evidence).length ? h("div", { class: "evidence" }, evidenceList(step.evidence)) : null;
  const state = ["failed", "undone", "skipped"].includes(step.state) ? ` (${step.state})` : "";
  return h(
    "div",
    { class: "step", "data-state": step.state },
    h("span", { class: "n" }, String(step.number)),
    h("span", { class: "title" }, capital(step.title) + state),
    h("span", { class: "muted" }, step.state === "skipped" ? "" : seconds(step.seconds)),
    step.detail ? h("span", { class: "detail" }, step.detail) : null,
    found,
  );
}
