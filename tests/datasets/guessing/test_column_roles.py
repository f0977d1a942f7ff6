"""What decides between columns: what the user says, the values, and errors that name the option where nothing does."""

from __future__ import annotations

import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.datasets.guessing.column_roles import guess
from popcast.datasets.guessing.label_kind import label_kind
from popcast.datasets.reading.open_rows import rows_of_frame

N = 40


def posts(**columns) -> pl.DataFrame:
    base = {
        "id": [str(1000 + i) for i in range(N)],
        "likes": [str(i * 3) for i in range(N)],
    }
    return pl.DataFrame({**base, **columns})


def roles(frame: pl.DataFrame, **given) -> dict[str, str]:
    return {one.column: one.role for one in guess(rows_of_frame(frame), given).columns}


TIMES = [f"2024-01-{1 + i % 28:02}" for i in range(N)]
OTHER_TIMES = [f"2024-02-{1 + i * 3 % 28:02}" for i in range(N)]
WHO = [f"a{i % 7}" for i in range(N)]
OTHERS = [f"b{i % 5}" for i in range(N)]
NUMBERS = [str(i * i % 97) for i in range(N)]
TEXTS = [f"text{i} with some words in it{i % 3}" for i in range(N)]


@pytest.mark.parametrize(
    ("columns", "given", "names"),
    [
        ({"views": NUMBERS}, {}, ["--label", "'likes'", "'views'"]),
        ({"author": WHO, "username": OTHERS}, {"label": "likes"}, ["--author", "'author'", "'username'"]),
        ({"created": TIMES, "published": OTHER_TIMES}, {"label": "likes"}, ["--time", "'created'", "'published'"]),
        ({"moment": TIMES}, {"label": "likes"}, ["--time", "'moment'", "--leave-out"]),
        ({"author": WHO}, {"label": "author"}, ["--label", "'author'", "no numbers"]),
        ({"author": WHO}, {"time": "author"}, ["--time", "'author'", "times"]),
        ({"author": WHO}, {"label": "like"}, ["--label", "'like'", "'likes'"]),
        ({"author": WHO}, {"label": "likes", "number": ["likes"]}, ["--number", "'likes'", "label"]),
        ({"author": WHO}, {"author_number": ["author"]}, ["--author-number", "'author'", "no numbers"]),
        ({}, {"category": ["id", "likes", "a", "b"]}, ["--category", "at most 3"]),
    ],
    ids=["two outcomes", "two authors", "two times", "unnamed time", "label no number", "time no time", "typing error",
         "two roles", "number no number", "too many"],
)  # fmt: skip
def test_doubt_is_one_line_that_names_the_option(columns, given, names):
    with pytest.raises(BadInput) as caught:
        guess(rows_of_frame(posts(**columns)), given)
    line = str(caught.value)
    assert "\n" not in line
    assert not [name for name in names if name not in line], line


def test_options_are_written_as_the_caller_writes_them():
    with pytest.raises(BadInput, match=r"^label=: 2 columns are outcomes"):
        guess(rows_of_frame(posts(views=NUMBERS)), {}, option="{}=")


def test_no_outcome_at_all_names_the_numbers_there_are():
    frame = posts(x=NUMBERS).drop("likes")
    with pytest.raises(BadInput, match=r"--label: no column is named like an outcome.*'x'"):
        guess(rows_of_frame(frame), {})


def test_the_only_outcome_is_the_label():
    found = guess(rows_of_frame(posts(author=WHO)), {})
    assert (found.label, found.of("author"), found.transform) == ("likes", ["author"], "log2(x+1)")


def test_two_names_of_the_same_authors_are_no_doubt():
    pairs = {"a0": "x", "a1": "y", "a2": "z"}
    frame = posts(author=[f"a{i % 3}" for i in range(N)], username=[pairs[f"a{i % 3}"] for i in range(N)])
    assert roles(frame)["username"] == "left out"


def test_a_number_without_a_known_name_is_no_input_unless_the_user_says_so():
    assert roles(posts(x7=NUMBERS))["x7"] == "left out"
    assert roles(posts(x7=NUMBERS), number=["x7"])["x7"] == "number"
    assert roles(posts(fans7=NUMBERS), author_number=["fans7"])["fans7"] == "author_number"


@pytest.mark.parametrize(
    "name", ["like_velocity", "shareRate", "Views (28 days)", "总点赞次数", "ctr", "watch_seconds"]
)
def test_whatever_sounds_like_an_outcome_is_never_an_input(name):
    assert roles(posts(**{name: NUMBERS}), label="likes")[name] == "posthoc"


def test_what_posts_to_predict_lack_is_an_outcome_whatever_its_name():
    found = guess(rows_of_frame(posts(x7=NUMBERS, note=TEXTS)), {"label": "likes"}, absent=["likes", "x7", "note"])
    assert {one.column: one.role for one in found.columns} == {
        "id": "id", "likes": "label", "x7": "posthoc", "note": "left out",
    }  # fmt: skip


def test_values_that_do_not_fit_a_name_win():
    frame = posts(text=[str(i) for i in range(N)], time=["noon"] * 20 + ["night"] * 20, followers=WHO, hashtags=TEXTS)
    assert [roles(frame)[name] for name in ("text", "time", "followers")] == ["left out"] * 3


def test_a_repeating_id_gives_way_to_one_that_does_not():
    frame = posts(post_id=[str(i // 2) for i in range(N)])
    assert roles(frame) == {"id": "id", "likes": "label", "post_id": "left out"}


def test_without_id_an_address_is_the_id_and_else_none():
    frame = posts(permalink=[f"https://example.org/{i}" for i in range(N)]).drop("id")
    assert roles(frame)["permalink"] == "id"
    found = guess(rows_of_frame(frame.drop("permalink")), {})
    assert found.of("id") == []
    assert any("hash" in line for line in found.said)


def test_one_account_stays_an_author():
    assert roles(posts(author=["me"] * N))["author"] == "author"


def test_copies_of_a_text_are_left_out_and_other_parts_are_joined():
    frame = posts(text=TEXTS, clean_text=[text.upper() for text in TEXTS], title=[f"Heading {i}!" for i in range(N)])
    assert roles(frame) == {"id": "id", "likes": "label", "text": "text", "clean_text": "left out", "title": "text"}


def test_addresses_are_no_media_and_files_are():
    assert roles(posts(image=[f"https://example.org/{i}.jpg" for i in range(N)]))["image"] == "left out"
    objects = ['[{"kind":"photo","full":"https://example.org/0.jpg"}]', '[{"kind":"photo","full":"b.jpg"}]'] * 20
    assert roles(posts(media=objects))["media"] == "left out"
    assert roles(posts(image=[f"pictures/{i}.jpg" for i in range(N)]))["image"] == "media"


@pytest.mark.parametrize(
    ("values", "transform"),
    [
        (["0", "12", "1,234"], "log2(x+1)"),
        (["1.234", "987", "2.345"], "log2(x+1)"),
        (["2,8 Tsd.", "994", "1.234"], "log2(x+1)"),
        (["0.5", "1.25", "-3.1"], "none"),
        (["-5", "7", "12"], "none"),
        ([3, 7, None], "log2(x+1)"),
        ([0.5, 7.25, 1.0], "none"),
    ],
)
def test_counts_are_forecast_on_the_log_scale_and_scores_as_they_are(values, transform):
    assert label_kind(pl.Series("y", values))[0] == transform


def test_few_hidden_counts_leave_a_label_a_count():
    assert label_kind(pl.Series("y", ["-1"] + [str(i) for i in range(200)]))[0] == "log2(x+1)"


def test_typed_columns_are_looked_at_as_well():
    frame = pl.DataFrame({"id": range(N), "created_at": pl.Series(TIMES).str.to_datetime(time_zone="UTC"),
                          "tags": [["a", "b"], ["c"]] * 20, "likes": range(N),
                          "verified": [True, False] * 20})  # fmt: skip
    assert roles(frame) == {
        "id": "id", "created_at": "time", "tags": "tags", "likes": "label", "verified": "author_number",
    }  # fmt: skip
