// Memory against the budget: each process's own bytes, each model file once, and what a standby would need.

import { byId, h, redraw, setData, setText } from "./dom.js";
import { bytes, capital } from "./format.js";

const NAMED = { edge: "nginx" };
const ORDER = ["blue", "green", "supervisor", "edge"];
const LEAST_PERCENT = 0.6; // what is there can be seen

export function drawMemory(look) {
  const { budget_bytes: budget, used_bytes: used } = look.status.memory;
  const parts = partsOf(look, budget, used);
  setText(byId("memory-about"), `${bytes(used)} of ${bytes(budget)} in use. A model file counts once, whoever maps it.`);
  setData(byId("memory-bar"), "tone", used > budget ? "bad" : null);
  redraw(byId("memory-bar"), parts, () => parts.filter((part) => part.kind !== "free").map((part) => piece(part, Math.max(budget, used))));
  byId("memory-bar").setAttribute("aria-label", `Memory: ${parts.map((part) => `${part.name} ${bytes(part.size)}`).join(", ")}`);
  redraw(byId("memory-legend"), parts.map((part) => [part.name, bytes(part.size)]), () => parts.map(legend));
}

function partsOf({ models, shares, forecast, status }, budget, used) {
  const place = ({ who }) => (ORDER.includes(who) ? ORDER.indexOf(who) : ORDER.length);
  const sorted = [...shares].sort((one, other) => place(one) - place(other));
  const standby = status.active && status.workers[status.active === "blue" ? "green" : "blue"].pid === null;
  const parts = [
    ...models.map((model) => ({ kind: "model", name: model.name, note: mapped(model), size: model.size_bytes })),
    ...sorted.map(({ who, private_bytes: size }) => ({ kind: ORDER.includes(who) ? who : "other", name: capital(NAMED[who] ?? who), size })),
  ];
  if (forecast && standby) parts.push({ kind: "forecast", name: "A standby would need", size: forecast.private_bytes });
  return [...parts, { kind: "free", name: "Free", size: Math.max(0, budget - used) }];
}

const mapped = ({ mapped_by: by }) => (by.length > 1 ? `shared by ${by.join(" and ")}` : `mapped by ${by[0] ?? "nobody"}`);

function piece({ kind, name, size }, whole) {
  const drawn = h("span", { "data-share": kind, title: `${name}: ${bytes(size)}` });
  drawn.style.flexBasis = `${Math.max(LEAST_PERCENT, (100 * size) / whole)}%`;
  return drawn;
}

function legend({ kind, name, note, size }) {
  return h("li", { "data-share": kind }, h("span", {}, h("bdi", {}, name), " ", h("b", {}, bytes(size)), note ? h("span", { class: "muted" }, ` ${note}`) : null));
}
