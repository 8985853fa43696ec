// The 13 steps of the deployment under way, or of the last one.

import { announce, byId, h, setData, setText, svg } from "./dom.js";
import { capital, duration, seconds, words } from "./format.js";

const MARKS = {
  pending: ["M12 8a4 4 0 1 0 0.01 0z"],
  running: ["M12 3a9 9 0 1 0 9 9"],
  done: ["M5 12.5l4.5 4.5L19 7.5"],
  skipped: ["M6 12h12"],
  failed: ["M7 7l10 10", "M17 7L7 17"],
  undone: ["M9 6L4 11l5 5", "M4 11h10a5 5 0 0 1 0 10h-3"],
};
const SAID = { failed: "failed", undone: "undone", skipped: "skipped" };
const RANK = { pending: 0, running: 1, skipped: 2, done: 2, failed: 3, undone: 4 };
const OUTCOMES = { succeeded: "Succeeded", rolled_back: "Rolled back", refused: "Refused", failed: "Failed" };

export const tone = (outcome) => (outcome && outcome !== "succeeded" ? "bad" : null);
export const outcomeText = (outcome) => OUTCOMES[outcome] ?? words(outcome ?? "running");

/** Where a deployment stands, joined from status, history and events. */
export class DeploymentPanel {
  constructor() {
    this.rows = [];
    this.shown = null;
    this.progress = {};
    this.states = {};
    this.began = 0;
    setInterval(() => this.tick(), 200);
  }

  /** `titles`: the names of all steps, since a deployment only has those that it came to. */
  prepare(titles) {
    if (this.rows.length) return;
    this.rows = titles.map((title) => row(capital(title)));
    byId("steps").replaceChildren(...this.rows.map((each) => each.item));
    byId("segments").replaceChildren(...titles.map(() => h("span", { "data-state": "pending" })));
  }

  /** `deployment` as status or history has it; null: there never was one. */
  draw(deployment) {
    if (!deployment) return;
    if (this.shown?.deployment !== deployment.deployment) this.forget();
    if (!deployment.outcome && this.shown?.outcome && this.shown.deployment === deployment.deployment) return;
    this.shown = { ...deployment, steps: newest(this.shown?.steps ?? [], deployment.steps) };
    this.began = performance.now() - (deployment.seconds ?? 0) * 1000;
    this.drawHead(deployment);
    const steps = new Map(this.shown.steps.map((step) => [step.number, step]));
    this.rows.forEach((each, index) => this.drawStep(each, index + 1, steps.get(index + 1)));
    this.tick();
  }

  /** By the event that tells it, before a look finds more. */
  begin({ deployment, kind, from_color, to_color }) {
    this.draw({ deployment, kind, from_color, to_color, release: null, outcome: null, reason: "", seconds: 0, steps: [] });
  }

  forget() {
    this.shown = null;
    this.progress = {};
    this.states = {};
  }

  /** A step changed, by the event that tells it. */
  stepChanged({ deployment, number, state, seconds: took, detail }) {
    if (this.shown?.deployment !== deployment) return;
    const others = this.shown.steps.filter((step) => step.number !== number);
    const before = this.shown.steps.find((step) => step.number === number) ?? { evidence: {} };
    const step = { ...before, number, state, seconds: took ?? before.seconds, detail: detail || before.detail || "" };
    this.shown = { ...this.shown, steps: [...others, step] };
    this.drawStep(this.rows[number - 1], number, step);
  }

  stepProgressed({ deployment, number, text }) {
    if (this.shown?.deployment !== deployment) return;
    this.progress[number] = text;
    const step = this.shown.steps.find((each) => each.number === number);
    this.drawStep(this.rows[number - 1], number, step);
  }

  drawHead(deployment) {
    const { kind, from_color: from, to_color: to, release, outcome, reason } = deployment;
    setData(byId("deployment"), "color", to);
    setData(byId("deployment"), "outcome", outcome);
    setText(byId("deployment-title"), `Deployment ${deployment.deployment}`);
    const route = from && from !== to ? `${from} → ${to}` : to;
    setText(byId("deployment-about"), `${capital(kind)}, ${route}${release ? `, release ${release}` : ""}`);
    setData(byId("segments"), "state", outcome ?? "running");
    setText(byId("deployment-outcome"), outcome ? outcomeText(outcome) : "Running");
    setData(byId("deployment-outcome"), "tone", tone(outcome));
    byId("deployment-reason").hidden = !tone(outcome) || !reason;
    setText(byId("deployment-reason"), reason);
  }

  drawStep(row, number, step) {
    const state = step?.state ?? "pending";
    const text = state === "running" ? (this.progress[number] ?? step.detail) : (step?.detail ?? "");
    setData(row.item, "state", state);
    row.item.ariaCurrent = state === "running" ? "step" : null;
    setData(byId("segments").children[number - 1], "state", state);
    setText(row.state, SAID[state] ? ` ${SAID[state]}` : "");
    setText(row.detail, text);
    if (state !== "running") setText(row.took, state === "skipped" || state === "pending" ? "" : seconds(step.seconds));
    row.since = state !== "running" ? null : (row.since ?? (this.states[number] === "pending" ? performance.now() : null));
    if (row.drawn !== state) row.mark.replaceChildren(mark((row.drawn = state)));
    this.tell(number, state, row.title.textContent);
  }

  /** Screen readers hear of what changes while they are here, not of all that was before. */
  tell(number, state, title) {
    const before = this.states[number];
    this.states[number] = state;
    if (before && before !== state && state !== "pending") announce(`Step ${number}, ${title}: ${state}`);
  }

  tick() {
    if (!this.shown) return;
    const { outcome, seconds: took } = this.shown;
    const passed = outcome ? took : (performance.now() - this.began) / 1000;
    for (const row of this.rows) if (row.since) setText(row.took, `${((performance.now() - row.since) / 1000).toFixed(1)} s`);
    setText(byId("deployment-seconds"), outcome ? seconds(passed) : passed < 60 ? `${passed.toFixed(1)} s` : duration(passed));
  }
}

/** An event may be newer than the look that came after it: no step goes back to an earlier state. */
function newest(shown, found) {
  const before = new Map(shown.map((step) => [step.number, step]));
  const looked = found.map((step) => ((RANK[before.get(step.number)?.state] ?? 0) > RANK[step.state] ? before.get(step.number) : step));
  const missing = shown.filter((step) => !found.some((each) => each.number === step.number));
  return [...looked, ...missing];
}

function row(title) {
  const parts = {
    mark: h("span", { class: "mark", "aria-hidden": "true" }),
    title: h("span", { class: "title" }, title),
    state: h("span", { class: "state" }),
    took: h("span", { class: "took" }),
    detail: h("span", { class: "detail" }),
  };
  const item = h("li", { "data-state": "pending" }, parts.mark, h("span", {}, parts.title, parts.state), parts.took, parts.detail);
  return { ...parts, item };
}

function mark(state) {
  return svg("svg", { viewBox: "0 0 24 24" }, ...MARKS[state].map((d) => svg("path", { d })));
}
