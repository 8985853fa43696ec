// Light, dark, or what the system says; theme.js puts the choice in force before anything is drawn.

import { byId, setData, setText } from "./dom.js";

const THEMES = ["system", "light", "dark"];

export function themes() {
  draw();
  byId("theme-button").addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(chosen()) + 1) % THEMES.length];
    localStorage.setItem("theme", next);
    draw();
  });
}

const chosen = () => document.documentElement.dataset.theme ?? "system";

function draw() {
  const stored = localStorage.getItem("theme");
  setData(document.documentElement, "theme", stored === "light" || stored === "dark" ? stored : null);
  setText(byId("theme-name"), chosen());
}
