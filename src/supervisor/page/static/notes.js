// What an operator should know although nobody asked: what is not as it was wanted, and what is tried again by itself.

import { byId, h, prose, redraw } from "./dom.js";
import { clock } from "./format.js";

export function drawNotes({ status }) {
  const notes = [...nobody(status), ...lost(status), ...again(status)];
  const list = byId("notes");
  list.hidden = !notes.length;
  redraw(list, notes, () => notes.map(([name, text]) => h("li", { "data-note": name }, ...prose(text))));
}

function nobody({ outlook }) {
  if (outlook !== "gone") return [];
  return [["gone", "No worker will serve by itself: `modelsvc ctl deploy` or `modelsvc ctl start` brings one, `modelsvc ctl explain` tells why the latest deployment failed"]];
}

const lost = ({ prewarmed, prewarm_lost }) => (prewarm_lost && !prewarmed ? [["prewarm", `Nothing is prewarmed: ${prewarm_lost}`]] : []);

/** What the watch on files waits for; its reason may go on with a table. */
function again({ watch }) {
  if (!watch?.retry_at) return [];
  const what = watch.retry_of ? `Deployment ${watch.retry_of} is tried again by itself` : "The files are looked at again";
  return [["retry", `${what}, next at ${clock(new Date(watch.retry_at))}: ${watch.reason.split("\n")[0]}`]];
}
