// Light, dark, or what the system has. Before the page is drawn, so that nothing flashes.
"use strict";

const theme = {
  KEY: "popcast-theme",
  kept() {
    try { return localStorage.getItem(theme.KEY) || "auto"; } catch { return "auto"; }
  },
  show(name) {
    const dark = name === "dark" || (name === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
    document.documentElement.dataset.theme = dark ? "dark" : "light";
  },
  keep(name) {
    try { localStorage.setItem(theme.KEY, name); } catch { /* a page in a file may keep nothing */ }
    theme.show(name);
  },
};

theme.show(theme.kept());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme.show(theme.kept()));
