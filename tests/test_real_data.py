"""Real posts outside the project: what the loaders make of them. Skipped where the folders are missing."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from popcast.core import tables
from popcast.datasets import loading
from popcast.datasets.params import Dataset
from popcast.scoring.metrics import score
from popcast.splits.making import published

FACEBOOK = {
    "labelled": "statuses_train.csv.gz",
    "unlabelled": "statuses_test.csv.gz",
    "transform": "log2(x+1)",
    "columns": {
        "id": "status_id",
        "author": "page",
        "time": "status_published",
        "text": ["status_message", "link_name"],
        "category": "status_type",
        "label": "num_reactions",
        "posthoc": [
            "num_comments",
            "num_shares",
            "num_likes",
            "num_loves",
            "num_wows",
            "num_hahas",
            "num_sads",
            "num_angrys",
        ],
    },
}
TIKTOK = {
    "labelled": "videos_train.csv.gz",
    "unlabelled": "videos_test.csv.gz",
    "transform": "log2(x+1)",
    "time_format": "epoch",
    "columns": {
        "id": "id",
        "author": "user",
        "time": "create_time",
        "tags": "hashtags",
        "concept": "song",
        "numbers": ["video_length"],
        "label": "n_plays",
        "posthoc": ["n_likes", "n_comments", "n_shares"],
    },
}


def load(folder, **section):
    posts, quality = loading.load(folder.name, Dataset(raw=str(folder), **section))
    tables.check(posts, tables.POSTS, folder.name)
    assert quality.rejected == {}
    return posts, quality.posts | {"repaired": quality.repaired}


def test_microlens_has_the_counts_and_moments_of_the_sheet(shared_data):
    posts, facts = load(shared_data("microlens-100k"), kind="microlens")
    assert (facts["all"], facts["labelled"], facts["with_title"]) == (19738, 19738, 19738 - 72)
    assert facts["repaired"] == {}
    assert posts["post_id"].to_list() == [str(number) for number in range(1, 19739)]
    assert posts["title"][:2].to_list() == ["Gu long song gaga bad", "beautiful dish with 5 pounds of duck intestines"]
    assert posts["popularity"].mean() == pytest.approx(4.3212, abs=5e-5)
    assert posts["popularity"].std() == pytest.approx(1.7088, abs=1e-4)
    assert posts["popularity"].quantile(0.5) == pytest.approx(4.459, abs=5e-4)
    assert (2 ** posts["popularity"]).round().sum() == 719346
    largest = posts.sort("popularity", descending=True)["post_id"].head(3).to_list()
    assert largest == ["16981", "3260", "15775"]


def test_the_training_mean_of_microlens_has_the_published_error(shared_data):
    """Sheet mmra.md section 8: nMSE 1.0022, MAE 1.3771, and no correlation of a constant."""
    posts, _ = load(shared_data("microlens-100k"), kind="microlens")
    parts = posts.join(published(posts, (9, 18)), on="post_id")
    label = {name: parts.filter(split=name)["popularity"].to_numpy() for name in ("train", "test")}
    assert (len(label["train"]), len(label["test"])) == (15790, 1974)
    found = score(label["test"], np.full(1974, label["train"].mean()))
    assert found["nmse"] == pytest.approx(1.0022, abs=5e-5)
    assert found["mae"] == pytest.approx(1.3771, abs=5e-5)


def test_facebook_pages(shared_data):
    posts, facts = load(shared_data("facebook-pages"), kind="table", table=FACEBOOK)
    assert (facts["labelled"], facts["unlabelled"]) == (176214, 44057)
    assert facts["repaired"] == {}
    first = posts.row(0, named=True)
    assert (first["post_id"], first["user_id"]) == ("52150999700_10154021299994701", "entertainmentweekly")
    assert first["posted_at"] == datetime(2016, 2, 24, tzinfo=UTC)
    assert first["popularity"] == pytest.approx(10.011227)
    assert first["posthoc_num_shares"] == 20.0
    unlabelled = posts.filter(posts["popularity"].is_null())
    assert unlabelled["posthoc_num_likes"].null_count() == 44057
    assert unlabelled["posted_at"].min() == datetime(2016, 5, 28, 3, 30, tzinfo=UTC)


def test_tiktok_creators(shared_data):
    posts, facts = load(shared_data("tiktok-creators"), kind="table", table=TIKTOK)
    assert (facts["labelled"], facts["unlabelled"], facts["authors"]) == (49525, 599, 1794)
    assert facts["repaired"] == {}
    first = posts.row(0, named=True)
    assert first["post_id"] == "6869272325146086661"
    assert first["posted_at"] == datetime(2020, 9, 6, 7, 25, 11, tzinfo=UTC)
    assert first["tags"] == ["brierson"]
    assert (first["concept"], first["post_video_length"]) == ("original sound", 8.0)
    assert first["popularity"] == pytest.approx(18.698803)


def test_smp_video(shared_data):
    posts, facts = load(shared_data("smp-video"), kind="smp_video", metric="mape")
    assert (facts["labelled"], facts["unlabelled"], facts["authors"]) == (3200, 2800, 5164)
    assert sum(facts["repaired"].values()) == 5  # like totals of authors that do not fit into 32 bits
    first = posts.row(0, named=True)
    assert first["post_id"] == "POST00000548"
    assert first["tags"][:2] == ["falconry", "falconer"]
    assert (first["popularity"], first["post_language"], first["user_follower_count"]) == (9.7, None, 27700.0)
    assert posts["user_follower_count"].null_count() == posts["post_video_duration"].null_count() == 0
