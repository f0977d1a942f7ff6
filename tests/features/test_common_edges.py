"""What feature blocks share, at its edges: vectors, texts, files, moments."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.core.stable import stable_random
from popcast.features.common import media, timelines
from popcast.features.common.contract import Context
from popcast.features.common.embeddings import embedding, embedding_column, embedding_of
from popcast.features.common.encoders import token_batches
from popcast.features.common.joined_text import joined_text, verbatim_text, with_fields
from popcast.features.common.tfidf import new_tfidf
from popcast.features.common.visibility import bank_parts, horizon, label_bank

START = datetime(2020, 1, 1, tzinfo=UTC)


def test_vectors_are_rounded_have_no_minus_zero_and_null_where_there_is_none():
    vectors = np.array([[0.12345678, -1e-9], [-0.5, 2.0]])
    column = embedding_column("a.embedding", vectors, np.array([True, False, True]))
    assert (column.name, column.dtype, column.null_count()) == ("a.embedding", pl.Array(pl.Float32, 2), 1)
    assert column[1] is None
    found = embedding(column)
    assert found[0].tolist() == [np.float32(0.123457), 0.0]
    assert not np.signbit(found[0, 1])
    assert np.isnan(found[1]).all()
    assert embedding(column, missing=7.0)[1].tolist() == [7.0, 7.0]


def test_a_null_inside_a_vector_is_missing_in_its_place():
    column = pl.Series("v", [[1.0, None], None, [3.0, 4.0]], dtype=pl.Array(pl.Float32, 2))
    found = embedding(column)
    assert np.array_equal(found, [[1, np.nan], [np.nan, np.nan], [3, 4]], equal_nan=True)
    table = pl.DataFrame({"post_id": ["a", "b", "c"], "embedding": column})
    asked = embedding_of(pl.DataFrame({"post_id": ["c", "x", "a"]}), table, missing=0.0)
    assert np.array_equal(asked, [[3, 4], [0, 0], [1, np.nan]], equal_nan=True)


def test_batches_of_tokens_end_at_padding_and_at_the_budget():
    assert token_batches([4, 4, 5], 1000) == [[0, 1], [2]]
    assert token_batches([5, 5, 5], 10) == [[0, 1], [2]]
    assert token_batches([5, 5, 5], 15) == [[0, 1, 2]]
    assert token_batches([50], 10) == [[0]], "a text longer than the budget stands alone"


def test_texts_join_what_is_there():
    posts = pl.DataFrame(
        {"title": ["a b", None, " ", None], "tags": [["x", "y"], None, [], ["z"]], "concept": ["c", None, None, " d "]}
    )
    fields = ["title", "tags", "concept"]
    assert joined_text(posts, fields).to_list() == ["a b | x y | c", None, None, "z | d"]
    assert verbatim_text(posts, fields) == ["a b | x y | c", "", "  | ", "z |  d "]
    wider = with_fields(posts, ["title", "category"])
    assert wider["title"].to_list() == posts["title"].to_list()
    assert wider["category"].to_list() == [None] * 4


def test_repeated_words_count_by_their_logarithm():
    weights = new_tfidf({"analyzer": "word", "norm": None, "use_idf": False}).fit_transform(["cat cat cat cat dog"])
    assert weights.toarray()[0].tolist() == pytest.approx([1 + np.log(4), 1])


def test_media_of_a_post_and_why_a_file_gives_nothing(tmp_path):
    posts = pl.DataFrame(
        {"media": [["a.MP4", "b.jpg", "c.png"], None, [], ["d.mp4"]]}, schema={"media": pl.List(pl.String)}
    )
    assert media.first_media(posts, media.PICTURES) == ["b.jpg", None, None, None]
    counts = media.quality(["a", None, "b", "c", "d"], np.array([0.0, 1, 2, 3, 3]), "posts_with_image")
    assert counts == {"posts_with_image": 4, "missing_file": 1, "absurd_size": 1, "undecodable": 2}
    (tmp_path / "file").touch()
    for raw in (None, tmp_path / "none", tmp_path / "file"):
        with pytest.raises(BadInput, match="no such folder"):
            media.raw_folder(Context(dataset="d", seed=1, raw=raw))
    assert media.raw_folder(Context(dataset="d", seed=1, raw=tmp_path)) == tmp_path


def test_training_rows_are_good_and_in_the_order_of_ids():
    posts = pl.DataFrame({"post_id": ["d", "a", "c", "b"], "split": ["train", "train", "test", "train"]})
    assert media.training_rows(posts, np.array([True, True, True, True])).tolist() == [1, 3, 0]
    assert media.training_rows(posts, np.array([True, False, True, True])).tolist() == [3, 0]


def test_pieces_hold_every_file_once_in_the_order_of_names(tmp_path):
    block = media.MediaBlock(None, Context(dataset="d", seed=1, raw=tmp_path))
    pieces = list(block._pieces(["c", "a", "b", "a", "e", "d"], 2, "kind", "label"))
    assert [piece for piece, _ in pieces] == [["a", "b"], ["c", "d"], ["e"]]
    assert len({name for _, name in pieces}) == 3


def test_a_day_and_an_hour_in_microseconds():
    day = timelines.microseconds(pl.Series([START, START + timedelta(days=1), START + timedelta(hours=1)]))
    assert (day[1] - day[0], day[2] - day[0]) == (timelines.DAY, timelines.HOUR)


def test_means_are_shrunk_towards_the_prior():
    count, mean, prior = np.array([0, 3, 0]), np.array([np.nan, 4.0, np.nan]), np.array([2.0, 2.0, 5.0])
    assert timelines.shrunk(count, mean, prior, 1.0).tolist() == [2.0, 3.5, 5.0]
    assert timelines.shrunk(count, mean, prior, 0.0).tolist() == [2.0, 4.0, 5.0]


@pytest.fixture
def posts():
    times = [START + timedelta(days=i) if i != 1 else None for i in range(5)]
    return pl.DataFrame(
        {
            "post_id": ["a", "b", "c", "d", "e"],
            "posted_at": pl.Series(times, dtype=pl.Datetime("us", "UTC")),
            "split": ["train", "train", "train", "valid", "unlabelled"],
            "fold": [0, 0, 1, None, None],
            "popularity": [1.0, 2.0, 3.0, 4.0, 5.0],
        }
    )


def test_the_bank_is_in_time_order_and_without_what_the_split_left_out(posts):
    assert label_bank(posts.reverse())["post_id"].to_list() == ["a", "c", "d", "b"], "the unknown time comes last"


@pytest.mark.parametrize(("lag_days", "seed", "draw"), [(10.0, 3, 0), (0.5, 4, 0), (10.0, 3, 1), (10.0, 3, 2)])
def test_news_of_training_posts_alone_are_older_by_a_share_of_lag_days(posts, lag_days, seed, draw):
    found = horizon(posts, bank_parts(label_bank(posts)), "lag", "labelled", lag_days, seed, draw)
    shares = stable_random(posts["post_id"], seed, {0: "lag", 1: "lag 1", 2: "lag 2"}[draw])
    for place in (0, 2):
        late = (posts["posted_at"][place] - found["sees_before"][place]).total_seconds()
        assert late == pytest.approx(shares[place] * lag_days * 86_400, abs=1e-3)
    assert found["sees_before"][3] == posts["posted_at"][3]
    assert found["sees_all"].to_list() == [False, False, False, False, True]


def test_without_a_lag_a_post_sees_what_is_older_than_itself(posts):
    parts = bank_parts(label_bank(posts))
    for as_of in ("post", "lag"):
        assert horizon(posts, parts, as_of, "train")["sees_before"].to_list() == posts["posted_at"].to_list()
    by_fold = horizon(posts, parts, "fold", "train")
    assert by_fold["sees_before"][2] == posts["posted_at"][2], "its fold begins with it"
    assert by_fold["sees_all"].to_list() == [False] * 5
