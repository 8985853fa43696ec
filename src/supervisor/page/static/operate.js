// What somebody with an API key may do: deploy, prewarm, roll back, swap.

import { getJson, key, lines, postJson } from "./api.js";
import { byId, setProse, setText, toast } from "./dom.js";
import { words } from "./format.js";

const OPERATIONS = {
  deployments: ["Deploy", "Bring what is prewarmed, or what the configuration file says now, or else the same release again, to the active colour. If a step fails, everything goes back to how it was."],
  prewarm: ["Prewarm", "Start the standby with what the configuration file says now, as far as the warm-up. It takes the place of a warm rollback target; clients notice nothing."],
  rollback: ["Roll back", "Go back to the release that served before."],
  swap: ["Swap", "Switch to the other colour, whatever it runs, if it is ready."],
};

export class Operations {
  constructor(refresh) {
    this.refresh = refresh;
    for (const button of byId("operation-buttons").children) button.addEventListener("click", () => this.confirm(button.dataset.operation));
    byId("key-button").addEventListener("click", () => this.openKey());
    byId("key-cancel").addEventListener("click", () => byId("key-dialog").close());
    byId("key-forget").addEventListener("click", () => this.useKey(""));
    byId("key-form").addEventListener("submit", (event) => this.submitKey(event));
  }

  draw({ allowed, status }) {
    byId("operation-buttons").hidden = !allowed.operate;
    for (const button of byId("operation-buttons").children) button.disabled = status.deployment !== null || status.edge.paused;
    setProse(byId("why"), allowed.why);
    setText(byId("key-button"), allowed.key ? `Key: ${allowed.key}` : "Enter key");
    byId("key-button").hidden = !allowed.keys;
  }

  confirm(operation) {
    const [title, text] = OPERATIONS[operation];
    const dialog = byId("operation-dialog");
    setText(byId("operation-title"), `${title}?`);
    setText(byId("operation-text"), text);
    setText(byId("operation-go"), title);
    dialog.onclose = () => dialog.returnValue === "go" && this.run(operation, title);
    dialog.returnValue = "";
    dialog.showModal();
  }

  /** The end is told; the steps are seen anyway. */
  async run(operation, title) {
    try {
      const response = await postJson(`/api/${operation}`, {});
      this.refresh();
      for await (const line of lines(response)) {
        const event = JSON.parse(line);
        if (event.event === "finished") toast(`${title}: ${words(event.outcome)}${event.reason ? `. ${event.reason}` : ""}`);
      }
    } catch (error) {
      toast(`${title}: ${error.message}`);
    }
    this.refresh();
  }

  openKey() {
    byId("key-problem").hidden = true;
    byId("key-input").value = "";
    byId("key-forget").hidden = !key.get();
    byId("key-dialog").showModal();
  }

  async submitKey(event) {
    event.preventDefault();
    const given = byId("key-input").value.trim();
    if (given) await this.useKey(given);
  }

  async useKey(given) {
    const before = key.get();
    key.set(given);
    const problem = given ? await unknown() : "";
    if (problem) key.set(before);
    byId("key-problem").hidden = !problem;
    setText(byId("key-problem"), problem);
    if (!problem) byId("key-dialog").close();
    this.refresh();
  }
}

async function unknown() {
  try {
    return (await getJson("/api/status")).allowed.key ? "" : "This key is not known.";
  } catch (error) {
    return error.message;
  }
}
