"""MicroLens-100k and -50k: titles of short videos and the number of comments by the sampled users.

Formats and traps: specification sheet "MicroLens". There is no author and no upload time; with the pairs file the
first interaction stands for the time of posting (a proxy). Likes and views are outcomes: ``posthoc_``, never inputs.

What the published files hold that cannot be is counted: likes above views and counts beyond :data:`MOST_COUNTED` become
null. The same user, item and millisecond several times is one comment each, as in the published label; how many such
pairs there are stands in the notes of metrics/quality.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets import loading, raw_files, times
from popcast.datasets.loading import Quality
from popcast.datasets.params import Dataset

TITLES = ("*title_en.csv", "*titles_en.csv", "*titles.csv", "*title.csv")
COMMENTS = ("*comment_en.txt", "*comments_en.txt")
PAIRS = ("*pairs.csv",)
COUNTS = ("*label*.csv", "*comment_count*.csv")
LIKES_AND_VIEWS = ("*likes_and_views.txt",)
CATEGORIES = ("*tags_to_summary.csv",)

MOST_COUNTED = 2e10
"""Likes or views of one video at most: the most watched one there is has 16 billion."""


def load(raw: Path, dataset: Dataset, quality: Quality) -> pl.DataFrame:
    """One post per title. Counts come from the comments, else the pairs, else a ``video_id,comment_count`` csv.

    The label is ``dataset.transform`` of the count, by default log2(x). An item without a count is unlabelled; a count
    without a title is rejected and counted.
    """
    posts = titles(raw_files.need(raw, TITLES))
    source, labels = _labels(raw, dataset, quality)
    orphans = labels.join(posts, on="post_id", how="anti").height
    quality.reject("count without title", orphans, labels.height, source)
    posts = posts.join(labels, on="post_id", how="left", maintain_order="left")
    for extra in (_first_interactions(raw, quality), _likes_and_views(raw, quality), _categories(raw), _media(raw)):
        if extra is not None:
            posts = posts.join(extra, on="post_id", how="left", maintain_order="left")
    return posts


def titles(file: Path) -> pl.DataFrame:
    """``post_id`` and ``title``; an empty title is null.

    100k: no header, split at the first comma, a space after it. 50k: header ``item,title`` and csv quoting.
    """
    lines = raw_files.text_lines(file)
    if lines.len() and lines[0].strip().lower() == "item,title":
        table = raw_files.csv(file)
        ids, text, first_row = table.to_series(0), table.to_series(1), 2
    else:
        parts = lines.str.splitn(",", 2)
        ids, text, first_row = parts.struct.field("field_0"), parts.struct.field("field_1"), 1
        loading.refuse(text.is_null(), lines, "no comma", file=file, expected="item,title")
    ids = _ids(ids, file, first_row)
    loading.unique(ids, file=file, field="item", first_row=first_row)
    return pl.DataFrame({"post_id": ids, "title": loading.blank_to_null(text.str.strip_chars())})


def _ids(values: pl.Series, file: Path, first_row: int = 1) -> pl.Series:
    """Positive integers as text without leading zeros. Ids that start at 0 are those of a re-indexed copy."""
    number = values.str.strip_chars().cast(pl.Int64, strict=False)
    expected = "a positive integer (copies that count from 0 have other ids)"
    wrong = number.is_null() | (number < 1).fill_null(True)
    loading.refuse(wrong, values, "not an item id", file=file, field="item", expected=expected, first_row=first_row)
    return number.cast(pl.String)


def _labels(raw: Path, dataset: Dataset, quality: Quality) -> tuple[Path, pl.DataFrame]:
    comments, pairs = raw_files.find(raw, COMMENTS), raw_files.find(raw, PAIRS)
    if comments is not None:
        file, field, counts = comments, "comments", _comment_counts(comments, quality)
    elif pairs is not None:
        file, field, counts = pairs, "pairs", _pairs(pairs).group_by("post_id").len("count").sort("post_id")
    else:
        file, field = raw_files.need(raw, COUNTS), "comment_count"
        counts = _count_table(file)
        loading.refuse(
            ~_is_whole(counts["count"]),
            counts["count"],
            "not a count",
            file=file,
            field=field,
            expected="a whole number",
            first_row=2,
        )
    label = loading.label(counts["count"], dataset.transform or "log2(x)", file=file, field=field, first_row=2)
    return file, counts.select("post_id").with_columns(label)


def _comment_counts(file: Path, quality: Quality) -> pl.DataFrame:
    """Rows per item of the tab-separated user, item, text (may be empty). Lines without an item are rejected."""
    items = raw_files.text_lines(file).str.splitn("\t", 3).struct.field("field_1")
    known = items.filter(items.str.contains(r"^[1-9]\d*$"))
    quality.reject("comment without item", items.len() - known.len(), items.len(), file)
    return known.alias("post_id").to_frame().group_by("post_id").len("count").sort("post_id")


def _pairs(file: Path) -> pl.DataFrame:
    """``post_id`` and ``time`` of each interaction."""
    table = raw_files.csv(file)
    if table.columns != ["user", "item", "timestamp"]:
        raise bad_input("wrong header", file=file, row=1, value=",".join(table.columns), expected="user,item,timestamp")
    moments = times.from_epoch(table["timestamp"], "ms", file=file, field="timestamp", first_row=2)
    return pl.DataFrame({"post_id": _ids(table["item"], file, 2), "time": moments})


def _count_table(file: Path) -> pl.DataFrame:
    table = raw_files.csv(file)
    if table.columns != ["video_id", "comment_count"]:
        found = ",".join(table.columns)
        raise bad_input("wrong header", file=file, row=1, value=found, expected="video_id,comment_count")
    ids = loading.unique(_ids(table["video_id"], file, 2), file=file, field="video_id", first_row=2)
    counts = loading.number(table["comment_count"], file=file, field="comment_count", first_row=2)
    return pl.DataFrame({"post_id": ids, "count": counts})


def _is_whole(counts: pl.Series) -> pl.Series:
    return counts.is_null() | (counts == counts.round())


def _first_interactions(raw: Path, quality: Quality) -> pl.DataFrame | None:
    """First interaction of each item as its ``posted_at``. Counts pairs that stand in the file more than once."""
    file = raw_files.find(raw, PAIRS)
    if file is None:
        return None
    table = raw_files.csv(file)
    again = table.height - table.n_unique()
    if again:
        quality.say([f"{file.name}: {again} pairs repeat an earlier one to the millisecond; each counts in the label"])
    return _pairs(file).group_by("post_id").agg(posted_at=pl.col("time").min())


def _likes_and_views(raw: Path, quality: Quality) -> pl.DataFrame | None:
    """Likes and views of each item, null where they cannot be."""
    file = raw_files.find(raw, LIKES_AND_VIEWS)
    if file is None:
        return None
    lines = raw_files.text_lines(file)
    parts = lines.str.split("\t")
    loading.refuse(parts.list.len() != 3, lines, "wrong number of fields", file=file, expected="item, likes, views")
    ids = loading.unique(_ids(parts.list.get(0), file), file=file, field="item")
    likes, views = (loading.number(parts.list.get(i), file=file, field=("likes", "views")[i - 1]) for i in (1, 2))
    beyond = {"likes": likes > MOST_COUNTED, "views": views > MOST_COUNTED}
    for name, wrong in beyond.items():
        quality.repair(f"{name} beyond {MOST_COUNTED:.0e}", wrong.sum())
    above = (likes > views) & ~(beyond["likes"] | beyond["views"])
    quality.repair("likes above views", above.sum())
    return pl.DataFrame({"post_id": ids, "posthoc_likes": likes, "posthoc_views": views}).with_columns(
        posthoc_likes=pl.when(~(beyond["likes"] | above)).then("posthoc_likes"),
        posthoc_views=pl.when(~(beyond["views"] | above)).then("posthoc_views"),
    )


def _categories(raw: Path) -> pl.DataFrame | None:
    """One category name per item: comma, no header."""
    file = raw_files.find(raw, CATEGORIES)
    if file is None:
        return None
    parts = raw_files.text_lines(file).str.splitn(",", 2)
    ids = loading.unique(_ids(parts.struct.field("field_0"), file), file=file, field="item")
    names = parts.struct.field("field_1").str.strip_chars().str.strip_chars('"')
    return pl.DataFrame({"post_id": ids, "category": loading.blank_to_null(names)})


def _media(raw: Path) -> pl.DataFrame | None:
    """Cover, then video, of each item that has one: ``<id>.jpg`` in ``*covers/``, ``<id>.mp4`` or ``<id>.1.mp4``."""
    found = []
    for folder, kind in (("*covers", ".jpg"), ("*videos", ".mp4")):
        for place in sorted(path for path in raw.glob(folder) if path.is_dir()):
            files = sorted(path for path in place.iterdir() if path.suffix.lower() == kind)
            found += [(path.name.split(".")[0], path.relative_to(raw).as_posix()) for path in files]
    if not found:
        return None
    media = pl.DataFrame(found, schema={"post_id": pl.String, "media": pl.String}, orient="row")
    return media.group_by("post_id", maintain_order=True).agg("media")
