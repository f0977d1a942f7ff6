"""Posts that no block was fitted with, as somebody has them who asks about a draft: fields are missing, also all."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from PIL import Image

from popcast.core import tables
from popcast.core.named import block_module
from popcast.features.common.contract import Context
from tests.features.test_image import picture
from tests.generated import make_posts, new_posts

WIDTH = 4
SETTINGS = {
    "metadata": {},
    "history": {},
    "profile": {},
    "repeats": {"fields": ["title", "category"]},
    "text": {"encoder": None, "tfidf": {"dim": 4}},
    "neighbours": {"k": 3, "k_stored": 3, "drop_same_title": True},
    "knn_values": {"columns": ["title_words", "tags_count", "user_photo_count"]},
    "windows": {},
    "image": {},
    "video": {"frames": 2},
    "array": {"files": {"made": "vectors.npy"}},
}
DERIVED = ("neighbours", "knn_values", "windows")
FIELDS = (
    "user_id", "posted_at", "title", "tags", "category", "subcategory", "concept", "media", "latitude",
    "post_mediatype", "post_faces", "user_photo_count",
)  # fmt: skip
"""What a draft may lack."""


@pytest.fixture(scope="module")
def posts() -> pl.DataFrame:
    return make_posts(120).with_columns(
        media=pl.when(pl.col("media").is_not_null()).then(pl.concat_list(pl.lit("one.jpg"))),
        posthoc_comments=pl.col("posthoc_comments").cast(pl.Float64),
    )


@pytest.fixture(scope="module")
def drafts(posts) -> pl.DataFrame:
    made = new_posts(posts, 6).with_columns(popularity=pl.lit(None, pl.Float64))
    return made.with_columns(pl.lit(None, posts.schema[name]).alias(name) for name in posts.columns
                             if name not in made.columns and name not in ("split", "fold"))  # fmt: skip


@pytest.fixture(scope="module")
def blocks(posts, tmp_path_factory):
    """Every block, fitted and read again from its folder; what it is asked with beside posts."""
    raw = tmp_path_factory.mktemp("raw")
    Image.fromarray(picture(1)).save(raw / "one.jpg")
    numbered = posts.with_columns(post_id=pl.int_range(1, pl.len() + 1).cast(pl.String))
    np.save(raw / "vectors.npy", np.ones((posts.height, 2), np.float32))
    context = Context("made", 3, zone="Asia/Shanghai", raw=raw)
    found = {}
    for name, settings in SETTINGS.items():
        kind = block_module(name)
        known = numbered if name == "array" else posts
        given = (vectors(known),) if name in DERIVED else ()
        folder = tmp_path_factory.mktemp(name)
        kind.Block(kind.Params.model_validate(settings), context).fit(known, *given).save(folder)
        found[name] = kind.Block.load(folder, context)
    return found


def vectors(posts: pl.DataFrame) -> pl.DataFrame:
    """An embedding; the posts that have no title have none."""
    values = np.arange(posts.height * WIDTH, dtype=np.float32).reshape(-1, WIDTH) % 7 + 1
    column = pl.Series("embedding", values, dtype=pl.Array(pl.Float32, WIDTH))
    return posts.select("post_id", embedding=pl.when(pl.col("title").is_not_null()).then(column))


def features(block, name: str, posts: pl.DataFrame) -> pl.DataFrame:
    return block.transform(posts, *((vectors(posts),) if name in DERIVED else ()))


@pytest.mark.parametrize("field", [*FIELDS, "all of them"])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_field_that_drafts_lack_is_not_known(blocks, drafts, name, field):
    lacking = FIELDS if field == "all of them" else (field,)
    asked = drafts.with_columns(pl.lit(None, drafts.schema[one]).alias(one) for one in lacking)
    whole, found = features(blocks[name], name, drafts), features(blocks[name], name, asked)
    assert found.schema == whole.schema
    assert found["post_id"].to_list() == drafts["post_id"].to_list()
    tables.check(found, tables.FEATURES, name)
    single = [features(blocks[name], name, asked[i]) for i in range(asked.height)] if name not in DERIVED else []
    assert all(one.equals(found[i]) for i, one in enumerate(single)), "a draft looks at another one"


def test_all_blocks_are_asked():
    assert set(SETTINGS) == {
        "array", "history", "image", "knn_values", "metadata", "neighbours", "profile", "repeats", "text", "video",
        "windows",
    }  # fmt: skip
