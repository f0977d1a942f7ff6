"""The files of a bundle that reasons and what-ifs are told from: background, past posts, slopes, and examples.

They are written last, beside a bundle that is whole without them: it forecasts, but gives no reasons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl

from popcast.core.named import predictor_module
from popcast.models.contract.predictor_files import load_predictor
from popcast.serving.example_posts.example_file import write_examples
from popcast.serving.forecast import Forecast
from popcast.serving.reasons.background import FILE as BACKGROUND
from popcast.serving.reasons.background import write_background
from popcast.serving.reasons.similar_posts import FILE as PAST
from popcast.serving.reasons.similar_posts import write_past
from popcast.serving.what_if.held_out_levers import write_levers


def write_reasons(
    folder: Path, posts: pl.DataFrame, features_of: Callable[[str], pl.DataFrame], evaluation: Callable[[str], Path]
) -> None:
    """Add them to the bundle in ``folder``.

    posts: the ``posts`` table joined with ``split`` and ``fold``. features_of: block -> its table of all
    these posts. evaluation: name of a member -> folder of its model that learned the training part only.
    """
    bundle = Forecast.load(folder, keep=False)
    contents = bundle.contents
    features = {one.block: features_of(one.block) for one in contents.blocks}
    write_background(folder, posts, features, contents.seed)
    write_past(folder, posts, features)
    files = dict(bundle.files) | {BACKGROUND: (folder / BACKGROUND).read_bytes()}
    members = {
        name: load_predictor(predictor_module(one.model).Predictor, evaluation(name))
        for name, one in contents.members.items()
    }
    past = {PAST: (folder / PAST).read_bytes()} if (folder / PAST).exists() else {}
    before = replace(bundle, members=members, files=files | past)
    write_levers(folder, before, posts, features, contents.seed)
    write_examples(folder, before, posts, features)
