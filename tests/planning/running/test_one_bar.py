"""One bar for a run: quiet while all goes well, the last lines of a stage where it fails."""

from __future__ import annotations

import io

from rich.console import Console

from popcast.planning.running.one_bar import OneBar
from popcast.planning.running.progress import Timing


def bar(terminal: bool, **settings) -> OneBar:
    return OneBar(3, Console(file=io.StringIO(), force_terminal=terminal, width=100), **settings)


def test_what_stages_print_is_shown_only_where_one_fails():
    progress = bar(terminal=False)
    with progress:
        progress.start("train@mine-a", ["python -m stages.train mine-a"])
        progress.say("train@mine-a", "a line of a stage")
        progress.finish("train@mine-a", "done", Timing(1.0), left=5.0)
        assert progress.console.file.getvalue() == ""
        progress.tail("train@mine-a")
        progress.end("1 of 3 stages were up to date, 2 ran.")
    lines = progress.console.file.getvalue().splitlines()
    assert lines[:2] == ["last lines of train@mine-a:", "  a line of a stage"]
    assert lines[2].startswith("1 of 3 stages were up to date, 2 ran in 0:")


def test_on_a_terminal_one_line_says_how_far_the_run_is():
    progress = bar(terminal=True)
    with progress:
        progress.start("train@mine-a", [])
        progress.finish("posts@mine", "done", Timing(1.0), left=70.0)
    shown = progress.console.file.getvalue()
    assert "1/3" in shown
    assert "about 1:10 left" in shown
    assert "train@mine-a" in shown


def test_a_first_run_promises_no_time():
    progress = bar(terminal=True, expects=False)
    with progress:
        progress.finish("posts@mine", "done", Timing(1.0), left=70.0)
    assert "left" not in progress.console.file.getvalue()
