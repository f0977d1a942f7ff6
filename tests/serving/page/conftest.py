"""A real server of a small bundle, and a real Chromium that looks at its page. Skipped where there is no Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

import popcast
from tests.api.fixed_choice import GIVEN, SETTINGS, rows
from tests.serving.page.browsing import MARKUP

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def planted() -> pl.DataFrame:
    """Posts of which those from 12 to 18 h get four times as many likes, and an author with a hostile name."""
    made = rows(n=900)
    hour = pl.col("created").str.slice(11, 2).cast(pl.Int64)
    likes = pl.when(hour.is_between(12, 17)).then(pl.col("likes") * 4).otherwise(pl.col("likes"))
    return made.with_columns(likes=likes, page=pl.col("page").replace("page 9", MARKUP))


@pytest.fixture(scope="session")
def page_bundle(tmp_path_factory) -> Path:
    """Tests leave it as it is."""
    folder = tmp_path_factory.mktemp("page") / "posts"
    popcast.Forecaster(**GIVEN, settings=SETTINGS).fit(planted()).save(folder)
    return folder


@pytest.fixture(scope="session")
def address(page_bundle, tmp_path_factory) -> Iterator[str]:
    """Of ``popcast serve`` with a copy of the bundle, as a user starts it."""
    folder = tmp_path_factory.mktemp("served") / "posts"
    shutil.copytree(page_bundle, folder)
    command = [sys.executable, "-m", "popcast.cli", "serve", str(folder), "--port", "0", "--rate", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as server:
        try:
            line = server.stdout.readline()
            assert line.startswith("posts: http://127.0.0.1:"), line
            yield line.split()[1]
        finally:
            server.terminate()


@pytest.fixture(scope="module")  # a driven browser has a loop that runs: other tests of the worker could have none
def chromium() -> Iterator:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    sync_playwright = pytest.importorskip("playwright.sync_api").sync_playwright

    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium) -> Iterator[Callable]:
    """Opens addresses in pages of their own, at 1280 px and in light colours unless told otherwise.

    A page has ``asked`` (addresses of its requests) and ``said`` (what its console holds, and errors of its script).
    """
    contexts = []

    def open_page(address: str | None, width: int = 1280, colours: str = "light", **options):
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=colours, reduced_motion="reduce",
            locale="en-GB", timezone_id="Europe/Berlin", **options,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.asked, page.said = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        if address is not None:
            page.goto(address)
            page.wait_for_selector("#columns:not([hidden])")
        return page

    yield open_page
    for context in contexts:
        context.close()
