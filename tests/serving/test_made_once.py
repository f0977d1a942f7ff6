"""What depends on a bundle alone is made once, and is the same as if it were made for every call."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from popcast.core.engine import chosen_engine
from popcast.features.common.contract import Context
from popcast.features.common.encoders import SentenceEncoder
from popcast.features.image import block as image
from popcast.serving import forecast as forecasting
from popcast.serving.reasons.background import background
from popcast.serving.reasons.mixed_posts import mixed, predicted, seen, stacked
from popcast.serving.reasons.mixed_predictions import predicted_mixed
from tests.features.test_image import picture
from tests.serving.test_observing import LATER, drafts_of, labels_of, posts_of


class CountedEncoder:
    """In the place of a vision encoder: says the mean of a picture, and how often it was loaded."""

    loaded, width = 0, 3

    def __init__(self, name: str, batch: int) -> None:
        type(self).loaded += 1

    def encode(self, pictures) -> np.ndarray:
        return np.stack([one.mean(axis=(0, 1)) for one in pictures]).astype(np.float32)


def test_an_encoder_of_pictures_is_loaded_once_for_all_forecasts(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "VisionEncoder", CountedEncoder)
    monkeypatch.setattr(CountedEncoder, "loaded", 0)
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(picture(1)).save(tmp_path / name)
    posts = pl.DataFrame({"post_id": ["1", "2"], "media": [["a.jpg"], ["b.jpg"]], "split": ["train", "train"]})
    block = image.Block(image.Params(encoder="made"), Context("made", 1, raw=tmp_path))
    whole = block.fit(posts).transform(posts)
    for row in range(2):
        one = copy.copy(block)
        one.forget()
        assert one.transform(posts[row : row + 1]).equals(whole[row : row + 1])
    assert CountedEncoder.loaded == 1


def test_forecasts_start_no_process(forecast, later):
    class Spy:
        def transform(self, posts, *_):
            self.engine = chosen_engine()
            return forecast_block.transform(posts)

    forecast_block, spy = forecast.blocks["metadata"], Spy()
    forecast.blocks["metadata"] = spy
    forecast.predict(posts_of(forecast, drafts_of(later)))
    assert spy.engine == "serial"


def test_an_encoder_of_texts_remembers_so_many_and_no_more(monkeypatch):
    encoder = SentenceEncoder("made")
    encoder.most = 3
    monkeypatch.setattr(encoder, "_encode_distinct", lambda texts: np.array([[len(one)] for one in texts], np.float32))
    for count in range(1, 9):
        assert encoder.encode(["x" * count, "y"]).tolist() == [[count], [1]]
        assert len(encoder._known) <= 3
    assert "y" in encoder._known


def test_once_is_made_anew_for_other_objects_and_copies_share_it(forecast):
    first, second = object(), object()
    made = [forecast.once("x", (first,), object) for _ in range(2)]
    assert made[0] is made[1]
    assert replace(forecast).once("x", (first,), object) is made[0]
    assert forecast.once("x", (second,), object) is not made[0]
    some = background(forecast)
    assert background(replace(forecast)) is some
    forecast.known = forecast.known.clone()
    assert background(forecast) is not some


def test_warm_leaves_nothing_behind_and_reads_every_kind_of_field(forecast, later, monkeypatch):
    drafts = posts_of(forecast, drafts_of(later))
    before = forecast.predict(drafts)
    asked = []
    told = forecasting.Forecast.predict
    monkeypatch.setattr(
        forecasting.Forecast, "predict", lambda self, posts, *more: asked.append(posts) or told(self, posts, *more)
    )
    forecast.warm()
    assert {"title", "media"} & set(forecast.contents.columns) <= set(asked[0].columns)
    assert forecast.predict(drafts).equals(before)


@pytest.mark.parametrize("groups", [0, 1, 3, 9])
def test_members_that_are_asked_once_say_the_same_of_mixed_posts(forecast, later, groups):
    some = background(forecast, 6)
    own = seen(forecast, forecast.prepared(posts_of(forecast, drafts_of(later))[:1]))
    rows = stacked(own, some)
    rng = np.random.default_rng(groups)
    base = rng.integers(0, 7, 400)
    taken = {group: rng.integers(0, 7, 400) for group in rows.groups()[:groups]}
    assert np.array_equal(predicted_mixed(forecast, rows, base, taken), predicted(forecast, mixed(rows, base, taken)))


def test_what_is_observed_while_a_forecast_is_under_way_is_seen_by_later_ones(forecast, later):
    """All blocks of one forecast look at the same posts, and its segments too."""
    drafts = posts_of(forecast, drafts_of(later))
    before, block = forecast.predict(drafts), forecast.blocks["metadata"]
    told = posts_of(forecast, later)

    class Meanwhile:
        begun = False

        def transform(self, posts, *_):
            if not self.begun:
                self.begun = True
                forecast.observe(told, labels_of(later), LATER)
            return block.transform(posts)

    forecast.blocks = forecast.blocks | {"metadata": Meanwhile()}
    assert forecast.predict(drafts).equals(before)
    forecast.blocks = forecast.blocks | {"metadata": block}
    assert not forecast.predict(drafts).equals(before)
