"""What MkDocs calls while it builds the site, see mkdocs.yml: pages that are made, links that lead out of docs/."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from scripts.site.commands_page import commands_page  # noqa: E402
from scripts.site.notebook_page import notebook_page  # noqa: E402
from scripts.site.settings_page import project_settings  # noqa: E402

NOTEBOOK = Path("docs/notebooks/first_forecast.ipynb")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)+[^)#:]+)(#[^)]*)?\)")
ROLE = re.compile(r":(?:class|func|meth|mod|data|attr|exc):<code>~?")


def on_config(config: Any) -> Any:
    """The last part of the menu: every decision by its title."""
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    titles = [page.read_text(encoding="utf-8").splitlines()[0].lstrip("# ").replace("`", "") for page in pages]
    config.nav.append(
        {"Decisions": [{title: f"decisions/{page.name}"} for title, page in zip(titles, pages, strict=True)]}
    )
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that no file holds: commands, settings, the notebook."""
    from popcast.cli import main

    notebook = json.loads((ROOT / NOTEBOOK).read_text(encoding="utf-8"))
    made = {
        "reference/commands.md": commands_page(main),
        "reference/settings.md": project_settings(),
        "notebooks/first_forecast.md": notebook_page(notebook, NOTEBOOK.as_posix()),
    }
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A link to a file beside docs/ becomes its name: the site holds no such file."""
    folder = (ROOT / "docs" / page.file.src_uri).parent

    def inside(match: re.Match[str]) -> str:
        target = (folder / match[2]).resolve()
        if target.is_relative_to(ROOT / "docs") or not target.exists():
            return match[0]
        name = target.relative_to(ROOT).as_posix()
        return match[1] if match[1].strip("`") == name else f"{match[1]} (`{name}`)"

    return LINK.sub(inside, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Roles of docstrings (``:class:`BadInput```) are shown as the code that they name."""
    return ROLE.sub("<code>", html)
