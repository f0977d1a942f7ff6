"""NUS (Vine): six-second videos with description, author and four counts; the dataset of TMALL, HMMVED and MMRA.

Sheet mmra.md section 10. What is published: the label as the mean of comments, likes, reposts and loops (TMALL,
HMMVED), a logarithm of it (HMMVED), four frames per video and the split seeds 9 and 18 (MMRA). What is ours, since no
published file shows it: the layout below, the base 2 of the logarithm, and ``log2(x + 1)`` as the default, for a video
that nobody has looped has the mean 0. Give ``transform: log2(x)`` for means of at least 1.

    videos.csv           header video_id,user_id,created,description,comments,likes,reposts,loops
    videos/<video_id>.mp4

The counts are the label, so they are no columns of ``posts``, not even as ``posthoc_``. ``created`` is a time in ISO
8601 or unix seconds. Vine's ids grow with time: they are ids here and nothing else.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from popcast.core.errors import bad_input
from popcast.datasets import loading, raw_files, times
from popcast.datasets.loading import Quality
from popcast.datasets.params import Dataset

FILE, FOLDER = "videos.csv", "videos"
COUNTS = ("comments", "likes", "reposts", "loops")
HEADER = ("video_id", "user_id", "created", "description", *COUNTS)
TAG = r"#(\w+)"


def load(raw: Path, dataset: Dataset, quality: Quality) -> pl.DataFrame:
    """One post per row of videos.csv. A row with none of the counts is a post to predict; one with some is refused."""
    file = raw / FILE
    table = raw_files.csv(file)
    for name in HEADER:
        if name not in table.columns:
            raise bad_input("missing column", file=file, row=1, field=name, expected=",".join(HEADER))
    where = {"file": file, "first_row": 2}
    description = loading.blank_to_null(table["description"].str.strip_chars())
    tags = description.str.extract_all(TAG).list.eval(pl.element().str.strip_prefix("#"))
    posts = pl.DataFrame(
        {
            "post_id": loading.unique(
                loading.filled(table["video_id"], field="video_id", **where), field="video_id", **where
            ),
            "user_id": loading.filled(table["user_id"], field="user_id", **where),
            "posted_at": times.read_times(table["created"], "auto", dataset.zone, field="created", **where),
            "title": description,
            "tags": pl.select(pl.when(tags.list.len() > 0).then(tags)).to_series(),
            "media": _media(raw, table["video_id"], quality),
        }
    )
    return posts.with_columns(popularity=_label(table, dataset.transform or "log2(x+1)", file))


def _label(table: pl.DataFrame, transform: str, file: Path) -> pl.Series:
    """``transform`` of the mean of the four counts [n], null where all four are blank."""
    counts = pl.DataFrame([loading.number(table[name], file=file, field=name, first_row=2) for name in COUNTS])
    labelled = counts.select(pl.any_horizontal(pl.all().is_not_null())).to_series()
    for name in COUNTS:
        wrong = labelled & (counts[name].is_null() | (counts[name] < 0) | (counts[name] != counts[name].round()))
        expected = "a whole number from 0"
        loading.refuse(wrong, table[name], "not a count", file=file, field=name, expected=expected, first_row=2)
    mean = counts.select(pl.mean_horizontal(pl.all())).to_series().fill_null(1.0)
    label = loading.label(mean, transform, file=file, field="mean of the counts", first_row=2)
    return pl.select(pl.when(labelled).then(label)).to_series()


def _media(raw: Path, ids: pl.Series, quality: Quality) -> pl.Series:
    """``videos/<video_id>.mp4`` of each video that has such a file; files of no video are counted."""
    folder = raw / FOLDER
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() == ".mp4") if folder.is_dir() else []
    found = pl.DataFrame(
        {"name": names, "id": [name[:-4] for name in names]}, schema={"name": pl.String, "id": pl.String}
    )
    known = found["id"].is_in(ids.implode())
    quality.repair("video files without a row", found.height - int(known.sum()))
    places = found.select("id", place=pl.concat_list(pl.lit(f"{FOLDER}/") + pl.col("name")))
    return ids.alias("id").to_frame().join(places, on="id", how="left", maintain_order="left")["place"]
