// Asking the supervisor. The API key, if there is one, is kept for this tab only.

const KEY = "modelsvc-key";
const TIMEOUT_MS = 6000;

export class ApiError extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (text) => (text ? sessionStorage.setItem(KEY, text) : sessionStorage.removeItem(KEY)),
};

/** The response, if it is a good one. Throws ApiError, or what fetch throws when nobody answers. */
export async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (key.get()) headers.authorization = `Bearer ${key.get()}`;
  const response = await fetch(path, { cache: "no-store", ...options, headers });
  if (!response.ok) throw await errorOf(response);
  return response;
}

export async function getJson(path) {
  return (await ask(path, { signal: AbortSignal.timeout(TIMEOUT_MS) })).json();
}

export function postJson(path, body, options = {}) {
  const headers = { "content-type": "application/json" };
  return ask(path, { method: "POST", body: JSON.stringify(body), ...options, headers });
}

async function errorOf(response) {
  const said = await response.json().catch(() => ({}));
  const error = said.error ?? {};
  return new ApiError(response.status, error.code ?? "", error.message ?? `the answer was ${response.status}`);
}

/** Server-sent events of a response: {event, id, data}, as they come. */
export async function* serverEvents(response) {
  let event = { event: "message", id: null, data: [] };
  for await (const line of lines(response)) {
    if (line === "") {
      if (event.data.length) yield { ...event, data: event.data.join("\n") };
      event = { event: "message", id: event.id, data: [] };
      continue;
    }
    const at = line.indexOf(":");
    const name = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (name === "data") event.data.push(value);
    else if (name === "event" || name === "id") event[name] = value;
  }
}

/** The lines of a response's body, as they come. */
export async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const parts = (rest + value).split("\n");
      rest = parts.pop(); // a line ends with its newline, wherever the pieces end
      for (const part of parts) yield part.replace(/\r$/, "");
    }
    if (rest) yield rest;
  } finally {
    reader.cancel().catch(() => {});
  }
}
