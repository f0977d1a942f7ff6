"""Blocks of code on the pages of the site, of README.md and CONTRIBUTING.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

FENCE = re.compile(r"^(?P<before>(?:<!--[^\n]*-->\n)?)```(?P<kind>\w*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SKIPPED = re.compile(r"<!-- not run: (?P<reason>.*\S) -->")
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])


@dataclass(frozen=True)
class Block:
    """A fenced block. line: of its first row in the page; skipped: the reason, if a comment before it says so."""

    page: Path
    line: int
    kind: str
    code: str
    skipped: str | None

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        reason = SKIPPED.match(match["before"])
        line = text[: match.start("code")].count("\n") + 1
        found.append(Block(page, line, match["kind"], match["code"], reason["reason"] if reason else None))
    return found


def commands(page: Path) -> list[tuple[str, str]]:
    """(place, command) of every bash block, and of indented lines that begin with a command of ours."""
    found = []
    for block in blocks_of(page):
        if block.kind == "bash" and block.skipped is None:
            joined = block.code.replace("\\\n", " ")
            rows = [row.split(" #")[0].strip() for row in joined.splitlines()]
            found += [(block.place, row) for row in rows if row and not row.startswith("#")]
    fenced = FENCE.sub("", page.read_text(encoding="utf-8"))
    for row in re.findall(r"^ {4}((?:\.venv/bin/)?(?:popcast|python|make|bash) .*)$", fenced, re.MULTILINE):
        found.append((str(page.relative_to(ROOT)), row.split(" #")[0].strip()))
    return found
