// Elements without HTML: whatever comes from the model, a log or an error is a text node and nothing else.

export const byId = (id) => document.getElementById(id);

/** An element; `about` are attributes, but for `on…` listeners; children are nodes or text. */
export function h(name, about = {}, ...children) {
  return filled(document.createElement(name), about, children);
}

export function svg(name, about = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", name), about, children);
}

function filled(element, about, children) {
  for (const [key, value] of Object.entries(about)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Only what differs is written, so that screen readers and selections are left in peace. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A sentence of ours: what is between backticks is code. */
export function setProse(element, text) {
  redraw(element, text, prose);
}

export const prose = (text) => text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

export function setData(element, key, value) {
  if (value === null || value === undefined || value === "") delete element.dataset[key];
  else if (element.dataset[key] !== String(value)) element.dataset[key] = value;
}

/** Draw anew what stands in `element`, if `value` differs from what was drawn last. */
export function redraw(element, value, draw) {
  const mark = JSON.stringify(value);
  if (element.drawn === mark) return;
  element.drawn = mark;
  element.replaceChildren(...draw(value));
}

/** `facts` as pairs of a definition list; empty values are left out. */
export function factList(facts) {
  return Object.entries(facts)
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)));
}

export function announce(text) {
  setText(byId("announcer"), text);
}

export function toast(text) {
  const shown = h("div", { class: "toast" }, text);
  byId("toasts").append(shown);
  setTimeout(() => shown.remove(), 8000);
}
