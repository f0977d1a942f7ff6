"""The check list: doubts, checks that stay, what passes, and what a person may not write."""

from __future__ import annotations

import polars as pl
import pytest
from click.testing import CliRunner

from popcast.chat.captioning.asked_captions import TOKENS, Captioned
from popcast.chat.captioning.check_list import check_list, doubts, passed, read_list
from popcast.chat.response import Response
from popcast.cli import main
from popcast.core.errors import BadInput


def said(**texts: str | None) -> list[Captioned]:
    return [
        Captioned(post, f"{post}.jpg", None if text is None else Response(text, 10, 12)) for post, text in texts.items()
    ]


FOUND = {"a": "A dog\n on a beach.", "b": "", "c": None, "d": "A cat.", "e": "A cat.", "f": "=HYPERLINK(1)."}


def test_what_is_doubted():
    table = check_list(said(**FOUND))
    assert dict(table.select("post_id", "doubts").rows()) == {
        "a": "", "b": "empty", "c": "picture cannot be read", "d": "the same for 2 pictures",
        "e": "the same for 2 pictures", "f": "",
    }  # fmt: skip
    assert table["caption"].to_list()[0] == "A dog on a beach."
    assert table["caption"].to_list()[-1] == "HYPERLINK(1).", "a spreadsheet would run the sign before it"


@pytest.mark.parametrize(
    ("caption", "doubt"),
    [
        ("I cannot see this picture.", "refused"),
        ("Sure, a dog.", "speaks to the reader"),
        ("A dog that got many likes.", "speaks of popularity"),
        ("dog " * 61 + ".", "too long"),
        ("A dog on a", "no end"),
    ],
)
def test_each_doubt(caption, doubt):
    assert doubts(caption) == [doubt]
    assert doubts("A dog.", tokens=TOKENS) == ["no end"]


def test_checks_stay_with_captions_that_are_the_same_and_no_others():
    first = check_list(said(a="A dog.", b="A sea."))
    checked = first.with_columns(checked=pl.lit("yes"), corrected=pl.Series(["", "A blue sea."]))
    again = check_list(said(a="A dog.", b="A lake.", c="A hill."), checked)
    assert again.select("post_id", "checked", "corrected").rows() == [("a", "yes", ""), ("b", "", ""), ("c", "", "")]


def written(tmp_path, *rows):
    file = tmp_path / "check.csv"
    names = ("post_id", "picture", "caption", "doubts", "checked", "corrected")
    pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row").write_csv(file)
    return file


ROWS = [
    ("a", "a.jpg", "A dog.", "", " Yes ", ""),
    ("b", "b.jpg", "A cat.", "", "no", ""),
    ("c", "c.jpg", "A se.", "", "", "A sea."),
    ("d", "d.jpg", "A hill.", "", "", ""),
    ("e", "e.jpg", "", "empty", "yes", ""),
]


def test_only_what_a_person_passed_is_written(tmp_path):
    file = written(tmp_path, *ROWS)
    good, turned_down, left = passed(read_list(file), file)
    assert good.rows() == [("a", "A dog."), ("c", "A sea.")]
    assert (turned_down, left) == (1, 2)
    result = CliRunner().invoke(main, ["caption", "mine", str(file), "--passed", str(tmp_path / "captions.csv")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "captions.csv").read_text() == "post_id,caption\na,A dog.\nc,A sea.\n"
    assert "2 captions; 1 turned down, 2 that nobody went through" in result.output


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (("a", "", "A dog.", "", "maybe", ""), "row 2.*checked.*maybe"),
        (("a", "", "A dog.", "", "no", "A cat."), "turned down and corrected"),
    ],
)
def test_other_answers_are_refused_with_their_row(tmp_path, row, problem):
    file = written(tmp_path, row)
    with pytest.raises(BadInput, match=problem) as caught:
        passed(read_list(file), file)
    assert "\n" not in str(caught.value)


def test_lists_that_are_none_are_refused(tmp_path):
    with pytest.raises(BadInput, match="no such file"):
        read_list(tmp_path / "check.csv")
    with pytest.raises(BadInput, match="the id occurs twice"):
        read_list(written(tmp_path, ROWS[0], ROWS[0]))
    (tmp_path / "other.csv").write_text("post_id,caption\na,b\n")
    with pytest.raises(BadInput, match="no such column"):
        read_list(tmp_path / "other.csv")


def test_without_a_server_the_command_says_what_it_needs(tmp_path):
    result = CliRunner().invoke(main, ["caption", "mine", str(tmp_path / "check.csv")])
    assert result.exit_code == 1
    assert "expected --url and --model" in result.output
