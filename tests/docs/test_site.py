"""The site builds strictly, asks nothing of other hosts, and its generated pages say what the code says."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import click
import pytest
import yaml

from popcast.cli import main
from popcast.planning.project_params import Params
from tests.conftest import ROOT

NEEDED = ("mkdocs", "material", "mkdocstrings")
FETCHED = re.compile(r'(?:src|href)="(https?:)?//[^"]+"')
TAKEN = re.compile(r"<(?:script|img|link|iframe)\b[^>]*>")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (requirements-docs.txt)")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def text_of(page: Path) -> str:
    return unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def test_every_page_is_in_the_menu_and_built(site):
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    made = {Path("reference/commands.html"), Path("reference/settings.html"), Path("notebooks/first_forecast.html")}
    built = {path.relative_to(site) for path in site.rglob("*.html")} - {Path("404.html")}
    assert built == pages | made
    menu = (site / "index.html").read_text(encoding="utf-8")
    assert all(f'href="{page.as_posix()}"' in menu for page in built - {Path("index.html")})


def test_nothing_is_fetched_from_other_hosts(site):
    for page in site.rglob("*.html"):
        wrong = [tag for tag in TAKEN.findall(page.read_text(encoding="utf-8")) if FETCHED.search(tag)]
        assert not wrong, page.relative_to(site)
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text(encoding="utf-8"), style.relative_to(site)


def test_every_command_and_every_option_is_in_the_reference(site):
    text = text_of(site / "reference" / "commands.html")
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert f"popcast {name}" in text
        for option in command.get_params(context):
            assert option.opts[0] in text or option.human_readable_name.upper() in text, f"{name} {option.name}"


def test_every_section_and_every_setting_of_a_table_is_in_the_reference(site):
    from popcast.datasets.params import Table, TableColumns

    text = text_of(site / "reference" / "settings.html")
    for model in (Params, Table, TableColumns):
        for name in model.model_fields:
            assert re.search(rf"^\s*{name}\s*$", text, re.MULTILINE), name


def test_every_public_name_is_in_the_reference(site):
    import popcast

    text = text_of(site / "reference" / "python.html")
    assert all(name in text for name in popcast.__all__)


def test_a_link_that_leads_nowhere_is_no_site(tmp_path):
    pytest.importorskip("mkdocs")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "docs" / "index.md").write_text("# Home\n\n[gone](gone.md)\n")
    plain = {"site_name": "x", "docs_dir": "docs", "validation": yaml.safe_load(validation())}
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(plain))
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode != 0


def validation() -> str:
    """The section ``validation`` of mkdocs.yml, which has no tags of Python's in it."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    return re.search(r"^validation:\n((?: .*\n)+)", text, re.MULTILINE)[1]
