// What a step found, as nested lists: by its own keys, whatever they are.

import { h } from "./dom.js";
import { bytes, seconds, words } from "./format.js";

export function evidenceList(evidence) {
  const pairs = Object.entries(evidence).filter(([, value]) => !empty(value));
  return h("dl", {}, ...pairs.flatMap(([name, value]) => [h("dt", {}, label(name)), h("dd", {}, told(name, value))]));
}

const empty = (value) =>
  value === null || value === "" || (typeof value === "object" && Object.values(value).every(empty));

const label = (name) => words(name.replace(/_(bytes|seconds|s)$/, ""));

function told(name, value) {
  if (Array.isArray(value)) return listed(name, value);
  if (typeof value === "object") return evidenceList(value);
  if (typeof value === "number") return figure(name, value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  return /^[0-9a-f]{64}$/.test(value) ? h("code", {}, value) : value;
}

function listed(name, values) {
  if (values.every((value) => typeof value !== "object")) return values.join(", ");
  return h("ul", {}, ...values.map((value) => h("li", {}, row(value) ?? told(name, value))));
}

/** A line of the memory account reads as one. */
function row(value) {
  return value && "what" in value && "bytes" in value ? `${value.what}: ${bytes(value.bytes)}` : null;
}

function figure(name, value) {
  if (name.endsWith("bytes")) return bytes(value);
  if (name.endsWith("_s") || name.endsWith("seconds")) return seconds(value);
  return Number.isInteger(value) ? value.toLocaleString("en") : String(Math.round(value * 1000) / 1000);
}
