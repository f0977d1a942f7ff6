"""What tests of the rivals share: invented posts that were handed over, and predictions of them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest

from benchmarks.peers import handover

RECIPE = """
datasets:
  invented:
    kind: table
    raw: RAW
    zone: UTC
    metric: mae
    table:
      labelled: posts.csv
      unlabelled: asked.csv
      transform: log2(x+1)
      columns:
        {id: id, author: page, time: at, text: [text], tags: tags, label: likes, posthoc: [shares]}
splits:
  invented: {method: chronological, shares: [0.6, 0.2, 0.2], folds: 3, final_fit: labelled}
"""


@pytest.fixture(scope="module")
def handed(tmp_path_factory):
    """Folder of handed-over posts, and the task: 120 invented posts by 25 pages, 10 of them without a label."""
    base = tmp_path_factory.mktemp("peers")
    start, rng = dt.datetime(2024, 1, 1), np.random.default_rng(0)
    rows = [
        f'{i:03d},page {i % 25},{start + dt.timedelta(hours=5 * (i // 2))},text {i % 7},"a b{i % 3}"'
        for i in range(120)
    ]
    likes = rng.integers(1, 500, 110)
    lines = [f"{row},{like},{like // 3}" for row, like in zip(rows[:110], likes, strict=True)]
    (base / "posts.csv").write_text("\n".join(["id,page,at,text,tags,likes,shares", *lines]) + "\n")
    (base / "asked.csv").write_text("\n".join(["id,page,at,text,tags", *rows[110:]]) + "\n")
    (base / "invented.yaml").write_text(RECIPE)
    return base, handover.hand_over(base / "invented.yaml", base, base / "handed")


@pytest.fixture(scope="module")
def posts(handed):
    return pl.read_parquet(handed[0] / "handed" / handover.POSTS)


@pytest.fixture
def predictions(posts):
    rng = np.random.default_rng(3)
    y = posts["popularity"].fill_null(0).to_numpy()
    noise = {"popcast": 0.1, "skrub-raw": 1.0, "worse-history": 3.0}
    return {
        name: posts.select("post_id", prediction=pl.Series(y + rng.normal(0, wide, len(y))))
        for name, wide in noise.items()
    }
