"""A real browser for tests of pages: a harness shows a page 1280 and 390 pixels wide, and tells what it found."""

from __future__ import annotations

import json
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

HARNESS = """<!doctype html><title>harness</title><body><pre id="found">nothing</pre>
<iframe id="wide" width="1280" height="900" src="page.html"></iframe>
<iframe id="narrow" width="390" height="844" src="page.html"></iframe>
<script>
const alerts = [];
const text = (doc, id) => doc.getElementById(id).textContent;
function key(frame, name, shiftKey) {
  const about = { key: name, shiftKey, bubbles: true, cancelable: true };
  const event = new frame.contentWindow.KeyboardEvent("keydown", about);
  frame.contentDocument.body.dispatchEvent(event);
}
function choose(frame, id, at) {
  const select = frame.contentDocument.getElementById(id);
  select.value = String(at);
  select.dispatchEvent(new frame.contentWindow.Event("change"));
}
DRIVE
window.addEventListener("load", () => {
  const found = {};
  try { for (const id of ["wide", "narrow"]) found[id] = drive(document.getElementById(id)); }
  catch (error) { found.error = String(error.stack); }
  document.getElementById("found").textContent = JSON.stringify({ ...found, alerts });
});
</script></body>"""
"""DRIVE: JavaScript that defines ``drive(frame)``, which returns what it found."""


class _Found(HTMLParser):
    inside, text = False, ""

    def handle_starttag(self, tag, attrs):
        self.inside = ("id", "found") in attrs

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        self.text += data if self.inside else ""


def driven(html: str, drive: str, folder: Path) -> dict:
    """What ``drive`` found in the page ``html``, by frame; skips where there is no browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"no browser here: one of {', '.join(BROWSERS)} must be on the path")
    (folder / "page.html").write_text(html, encoding="utf-8")
    (folder / "harness.html").write_text(HARNESS.replace("DRIVE", drive))
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
               f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=4000", "--window-size=1400,900",
               "--dump-dom", (folder / "harness.html").as_uri()]  # fmt: skip
    dumped = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    reader = _Found()
    reader.feed(dumped)
    found = json.loads(reader.text)
    assert "error" not in found, found["error"]
    return found
