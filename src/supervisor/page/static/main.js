// Looks at the supervisor again and again while somebody looks at the page, and hears of what happens in between.

import { ask, getJson, serverEvents } from "./api.js";
import { Charts } from "./charts.js";
import { Chat } from "./chat.js";
import { DeploymentPanel } from "./deployment.js";
import { byId, setData, setText } from "./dom.js";
import { drawAges, drawHistory } from "./history.js";
import { Logs } from "./logs.js";
import { drawMemory } from "./memory.js";
import { drawNotes } from "./notes.js";
import { Operations } from "./operate.js";
import { themes } from "./themes.js";
import { drawWorkers } from "./workers.js";

const LOOK_MS = 1000;
const PULSE_MS = 2000;
const SOON_MS = 100; // however much happens, no more looks than that
const AGAIN_MS = [500, 1000, 2000, 4000]; // after failures in a row
const FOLLOWERS = 3; // of one browser

const panel = new DeploymentPanel();
const charts = new Charts();
const chat = new Chat();
const logs = new Logs();
const operations = new Operations(() => looking.now());

let remembered = "";
let seenAt = 0;

/** One thing done again and again, never twice at once, and not at all while the tab is hidden. */
class Repeated {
  constructor(work, interval) {
    Object.assign(this, { work, interval, timer: 0, busy: false, asked: false, failures: 0, ended: -SOON_MS });
  }

  /** Do it now, or soon after the last time; if it is being done, once more after that. */
  now() {
    if (this.busy) this.asked = true;
    else this.later(Math.max(0, this.ended + SOON_MS - performance.now()));
  }

  later(pause) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => document.hidden || this.run(), pause);
  }

  async run() {
    this.busy = true;
    this.asked = false;
    try {
      await this.work();
      this.failures = 0;
    } catch (error) {
      this.failures += 1;
      this.failed?.(error);
    }
    this.busy = false;
    this.ended = performance.now();
    const pause = this.failures ? AGAIN_MS[Math.min(this.failures, AGAIN_MS.length) - 1] : this.interval;
    this.later(this.asked ? SOON_MS : pause);
  }
}

const looking = new Repeated(look, LOOK_MS);
const pulsing = new Repeated(async () => charts.add(await getJson(`/api/pulse?after=${charts.after}`)), PULSE_MS);
const reading = new Repeated(() => logs.refresh(), PULSE_MS);
const following = new Repeated(follow, LOOK_MS);
looking.failed = lost;

async function look() {
  const found = await getJson("/api/status");
  seenAt = Date.now();
  const { allowed } = found;
  connected();
  panel.prepare(found.steps);
  drawWorkers(found);
  drawNotes(found);
  drawMemory(found);
  operations.draw(found);
  chat.allow(allowed.chat, allowed.why);
  logs.allow(allowed.logs, allowed.why);
  drawAges();
  setText(byId("about"), `modelsvc ${found.status.version} · supervisor ${found.status.pid} · state ${found.status.state_dir}`);
  if (found.status.deployment) panel.draw(found.status.deployment);
  await recall(found);
}

/** The past, when there is more of it than before. */
async function recall({ status, last_deployment: number }) {
  const mark = `${status.pid} ${number} ${status.deployment === null}`;
  if (mark === remembered) return;
  const { deployments } = await getJson("/api/history");
  drawHistory(deployments);
  if (!status.deployment) panel.draw(deployments[0]);
  if (status.deployment || deployments[0]?.outcome !== null) remembered = mark; // its end may be written in a moment
}

function connected() {
  setData(document.body, "connection", "live");
  setText(byId("connection-text"), "live");
  byId("lost").hidden = true;
}

function lost(error) {
  if (looking.failures < 2 && error.name !== "ApiError" && seenAt) return; // a hiccup
  const away = error.status === undefined;
  setData(document.body, "connection", "lost");
  setText(byId("connection-text"), away ? "connection lost" : "not allowed");
  byId("lost").hidden = false;
  setText(byId("lost"), away ? `Connection lost: the supervisor does not answer. Trying again.${age()}` : error.message);
  if (error.status === 401) byId("key-button").hidden = false;
}

const age = () => (seenAt ? ` What you see is as it was at ${new Date(seenAt).toLocaleTimeString()}.` : "");

let lastEvent = "";
let leaving = new AbortController();

/**
 * What happens, as it happens; looking goes on all the same, for what is missed here.
 *
 * A browser has six connections to a server for all of its tabs, and a tab that follows holds one. So only some of them
 * do, as long as they are seen; the others just look.
 */
async function follow() {
  if (!navigator.locks) return listen(); // not over plain HTTP from another machine
  for (let place = 0; place < FOLLOWERS; place += 1) {
    const followed = await navigator.locks.request(`modelsvc-events-${place}`, { ifAvailable: true }, async (lock) => {
      if (lock) await listen();
      return lock !== null;
    });
    if (followed) return;
  }
}

async function listen() {
  leaving = new AbortController();
  const headers = lastEvent ? { "last-event-id": lastEvent } : {};
  const response = await ask("/api/events", { headers, signal: leaving.signal });
  for await (const { event, id, data } of serverEvents(response)) {
    following.failures = 0;
    if (id) lastEvent = id;
    if (data) happened(event, JSON.parse(data));
  }
}

function happened(event, told) {
  if (event === "deployment_began" && !told.resumed) panel.begin(told);
  if (event === "step_changed") panel.stepChanged(told);
  if (event === "step_progressed") panel.stepProgressed(told);
  else looking.now();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) leaving.abort();
  else for (const each of [looking, pulsing, reading, following]) each.now();
});

themes();
for (const each of [looking, pulsing, reading, following]) each.now();
