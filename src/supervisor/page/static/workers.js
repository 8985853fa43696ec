// The headline, the edge, and what each colour is doing.

import { byId, factList, h, prose, redraw, setData } from "./dom.js";
import { bytes, capital, duration, fileName, roughly, words } from "./format.js";

const COLORS = ["blue", "green"];
const DOING = {
  absent: "Not running",
  starting: "Starting",
  ready: "Ready",
  stopping: "Stopping",
  backoff: "Crashed, will be started again",
  failed: "Given up after crashes",
};
const BAD = new Set(["backoff", "failed"]);
const KIND = { deploy: "Deploying", prewarm: "Prewarming", rollback: "Rolling back", swap: "Swapping", failover: "Failing over", replace: "Replacing" };

export function drawWorkers(look) {
  const { status } = look;
  drawHeadline(status);
  drawEdge(status);
  for (const color of COLORS) drawColor(color, look);
}

function drawHeadline(status) {
  redraw(byId("headline"), headline(status), (parts) =>
    parts.map((part) => (typeof part === "string" ? part : h("b", { "data-color": part.color }, part.text))),
  );
  redraw(byId("subline"), subline(status), (parts) => parts.flatMap((part, index) => [index ? " · " : "", h("bdi", {}, ...prose(part))]));
  document.title = `${plain(headline(status))} · modelsvc`;
}

const plain = (parts) => parts.map((part) => part.text ?? part).join("");
const named = (color, text = capital(color)) => ({ color, text });

function headline(status) {
  const { active, release, deployment, edge, workers } = status;
  if (deployment) return underWay(deployment);
  if (edge.paused) return ["Requests are held"];
  if (!active) return ["Nobody is serving"];
  if (!serves(workers[active])) return [named(active), " should serve, but does not"];
  return [named(active), ` is serving${release ? ` release ${release.number}` : ""}`];
}

function underWay(deployment) {
  const what = KIND[deployment.kind] ?? capital(words(deployment.kind));
  const to = named(deployment.to_color, deployment.to_color);
  if (!deployment.from_color || deployment.kind === "prewarm") return [`${what} `, to];
  return [`${what} from `, named(deployment.from_color, deployment.from_color), " to ", to];
}

const serves = (worker) => worker.state === "ready" && worker.progress !== "does not answer";

function subline({ release, edge, uptime_s }) {
  const parts = [];
  if (edge.paused) parts.push("Somebody paused them: `modelsvc ctl resume` lets them through");
  if (release) {
    const { slots, context_tokens } = release.settings;
    parts.push(fileName(release.model_path), bytes(release.model_size_bytes), `${slots} slots`, `${context_tokens.toLocaleString("en")} tokens of context`);
  }
  parts.push(`supervisor up ${duration(uptime_s)}`);
  return parts;
}

function drawEdge({ edge, workers }) {
  const to = edge.routes_to ?? "nobody";
  const held = edge.held || edge.waiting ? `${edge.held} (${edge.replayed} replayed, ${edge.given_up} given up)` : "none yet";
  redraw(byId("edge-facts"), [edge, held], () =>
    factList({
      "listens on": edge.listen,
      "routes to": edge.routes_to ?? (edge.paused ? "nobody, paused" : "nobody, requests wait"),
      waiting: String(edge.waiting),
      held,
      nginx: edge.state === "running" ? `${edge.nginx_version}, pid ${edge.pid}` : "not running",
    }),
  );
  const wire = byId("wire");
  setData(wire, "to", to);
  setData(wire, "color", edge.routes_to);
  setData(wire, "held", !edge.routes_to || !serves(workers[edge.routes_to]));
}

function drawColor(color, look) {
  const { status } = look;
  const worker = status.workers[color];
  const card = byId(`color-${color}`);
  const shown = { worker, active: status.active === color, up: Math.round((look.worker_uptime_s[color] ?? 0) / 5) * 5, warm: status.prewarmed };
  setData(card, "active", shown.active);
  setData(card, "state", worker.state);
  redraw(card, shown, () => [
    h("div", { class: "name" }, h("h2", { id: `name-${color}` }, color), h("span", { class: "tag role" }, role(shown))),
    h("p", { class: "doing", "data-tone": tone(worker) }, doing(worker)),
    h("dl", { class: "facts" }, ...factList(factsOf(shown))),
  ]);
}

function role({ active, worker, warm }) {
  if (active) return "active";
  if (warm !== null && worker.release === warm) return "prewarmed";
  return worker.state === "ready" ? "warm standby" : "standby";
}

function tone(worker) {
  if (BAD.has(worker.state) || worker.progress === "does not answer") return "bad";
  return worker.state === "absent" ? "off" : null;
}

/** What the slot does, and the worker's own last word where it adds something. */
function doing(worker) {
  const state = DOING[worker.state] ?? words(worker.state);
  const said = worker.progress;
  if (worker.state === "absent" && worker.last_exit && !worker.wanted) return `${state}: ${ending(worker.last_exit)}`;
  if (BAD.has(worker.state) && worker.deaths[0]) return `${state}: ${ending(worker.deaths[0])}`;
  return said && said !== worker.state ? `${state}: ${said}` : state;
}

function ending({ code, signal, reason }) {
  if (reason) return reason;
  if (signal) return `it was ended by ${signal}`;
  return code === null ? "it ended" : `it exited with ${code}`;
}

function factsOf({ worker, up }) {
  const running = worker.pid !== null;
  return {
    release: worker.release === null ? "–" : String(worker.release),
    "in flight": running ? String(worker.in_flight ?? "–") : "–",
    memory: bytes(worker.private_bytes) || "–",
    pid: running ? String(worker.pid) : "–",
    up: running ? roughly(up) : "–",
    port: String(worker.port),
    ...(worker.restarts ? { restarts: String(worker.restarts) } : {}),
  };
}

