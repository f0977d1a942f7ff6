"""``popcast.Forecaster``: posts in, forecasts out, in scikit-learn's manner, with the pipeline's own stages.

>>> from popcast import Forecaster
>>> Forecaster(label="likes", text=["caption"], budget="10m")
Forecaster(label='likes', text=['caption'], budget='10m')
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import polars as pl

from popcast.api.bundling import write_bundle
from popcast.api.columns_read import PostsRead, exposed, read_table
from popcast.api.estimator_params import EstimatorParams, check_fitted
from popcast.api.passive_waiting import waiting_passively
from popcast.api.pipeline_in_process import Finished, run_pipeline
from popcast.api.posts_given import files_folder, given_rows
from popcast.api.refusal import one_line
from popcast.api.score_frame import leaderboard
from popcast.core.engine import in_this_process
from popcast.core.errors import BadInput, shown
from popcast.datasets.reading.row_table import RowTable
from popcast.planning.choosing.durations import seconds_of
from popcast.planning.choosing.pipeline_choice import choose, facts_of
from popcast.planning.choosing.split_choice import snapshot_of
from popcast.planning.default_params import with_sections
from popcast.planning.project_params import Params
from popcast.serving.asked_posts import Asked, asked_posts, observed_posts
from popcast.serving.forecast import Forecast
from popcast.serving.outlook.draft_notes import far_off
from popcast.serving.reasons.explanation import Explanation
from popcast.serving.what_if.what_if_answer import WhatIf

DATASET = "posts"
"""Key of the posts in all sections of the settings."""
GIVEN_LABEL = "label"
"""Column that ``fit(posts, y)`` adds."""


class Forecaster(EstimatorParams):
    """Forecasts how popular posts will be, from posts whose popularity is known.

    Columns (None: found by name and by look; doubt is an error that names the parameter): ``label``, ``id``,
    ``author``, ``time``, ``tags`` and ``media`` are one column each; ``text``, ``category``, ``numbers`` and
    ``author_numbers`` (known at posting time), ``posthoc`` (measured later, never an input) and ``leave_out`` one or
    several. A row without a label is a post to predict: nothing is learned from it.

    zone: of times that carry none, and of day parts. metric: mae, rmse, nmse or mape, what decides between models.
    budget: time that choosing blocks and members may plan with ("5m", "1h", or seconds). seed: of every random number.
    folder: where relative paths and media files lie. table: more about how a file is read (``decimal``, ``day_first``,
    ``transform`` and so on, see ``datasets.<name>.table`` in the reference of settings). settings: sections of an
    overlay (``splits``, ``blocks``, ``suites`` ...) for the data set ``posts``, in place of those chosen by size.

    After ``fit``: ``columns_`` (column -> what it became), ``members_`` (name -> weight), ``blend_``, ``scores_`` (of
    the scorer, by model), ``predictions_`` (the blend's table: out-of-fold, valid, test, unlabelled), ``settings_``
    (sections that were chosen), ``quality_`` (rows left out, fields repaired), ``said_`` (what was found by looking).
    """

    def __init__(
        self,
        label: str | None = None,
        author: str | None = None,
        time: str | None = None,
        text: str | Sequence[str] | None = None,
        tags: str | None = None,
        category: str | Sequence[str] | None = None,
        numbers: str | Sequence[str] | None = None,
        author_numbers: str | Sequence[str] | None = None,
        posthoc: str | Sequence[str] | None = None,
        id: str | None = None,
        media: str | None = None,
        leave_out: str | Sequence[str] | None = None,
        *,
        zone: str = "UTC",
        metric: str = "mae",
        budget: str | float = "5m",
        seed: int = 42,
        folder: str | os.PathLike | None = None,
        table: Mapping[str, Any] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.label, self.author, self.time, self.text, self.tags = label, author, time, text, tags
        self.category, self.numbers, self.author_numbers, self.posthoc = category, numbers, author_numbers, posthoc
        self.id, self.media, self.leave_out = id, media, leave_out
        self.zone, self.metric, self.budget, self.seed = zone, metric, budget, seed
        self.folder, self.table, self.settings = folder, table, settings

    @one_line
    def fit(self, posts: Any, y: Any = None) -> Self:
        """Learn from posts; see the class for what a row may hold.

        posts: a path, pattern or list of paths, a polars or pandas DataFrame, or a list of dictionaries. y: labels [n],
        where ``posts`` does not hold them. Raises BadPosts (a ValueError), one line; then the forecaster is not fitted.
        """
        for name in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, name)
        folder = None if self.folder is None else Path(self.folder)
        rows = given_rows(posts, folder)
        given = self._given()
        if y is not None:
            rows, given["label"] = _with_label(rows, y, self.label)
        read = read_table(rows, given, self.table or {}, self.zone)
        table, p, sections = self._planned(read)
        with waiting_passively(), in_this_process(), tempfile.TemporaryDirectory(prefix="popcast-") as place:
            scratch, kept = Path(place) / "scratch", Path(place) / "bundle"
            done = run_pipeline(DATASET, table, p, scratch, files_folder(posts, folder))
            kept.mkdir()
            write_bundle(kept, done, scratch, DATASET, p.datasets[DATASET], rows.names, self.seed)
            forecast = Forecast.load(kept, keep=False)
        return self._fitted(read, done, sections, forecast)

    def _given(self) -> dict[str, Any]:
        """Role -> columns, as ``datasets.guessing`` calls them."""
        roles = {name: getattr(self, name) for name in ("label", "id", "author", "time", "tags", "media")}
        roles |= {"text": self.text, "category": self.category, "posthoc": self.posthoc, "leave_out": self.leave_out}
        roles |= {"number": self.numbers, "author_number": self.author_numbers}
        return {role: columns for role, columns in roles.items() if columns is not None}

    def _planned(self, read: PostsRead) -> tuple[pl.DataFrame, Params, dict[str, Any]]:
        """The table of posts, all settings, and the sections that were chosen or given."""
        facts = facts_of(read.posts)
        if self.settings is None:
            sections, snapshot = choose(DATASET, facts, seconds_of(self.budget)), snapshot_of(facts)
        else:
            sections, snapshot = dict(self.settings), None
        dataset = {"kind": "table", "raw": ".", "zone": self.zone, "metric": self.metric, "snapshot": snapshot}
        dataset["table"] = read.layout.model_dump(mode="json")
        base = {"base": {"seed": self.seed}, "datasets": {DATASET: dataset}}
        p = with_sections(sections | base)
        return exposed(read.posts, p.datasets[DATASET].snapshot), p, sections

    def _fitted(self, read: PostsRead, done: Finished, sections: dict[str, Any], forecast: Forecast) -> Self:
        self.forecast_ = forecast
        self.columns_ = {one.column: one.role for one in read.guess.columns}
        self.members_ = {name: member.weight for name, member in forecast.contents.members.items()}
        self.blend_, self.scores_ = done.blend, done.scores
        self.predictions_, self.settings_ = done.predictions["blend"], sections
        self.quality_, self.said_ = read.quality.as_dict(), read.said
        return self

    def leaderboard(self) -> pl.DataFrame:
        """Every model on the test part with its interval and its paired difference to the blend, best first; columns:
        see :func:`popcast.api.score_frame.leaderboard`."""
        check_fitted(self, "forecast_")
        return leaderboard(self.scores_, self.forecast_.contents.metric, self.members_)

    @one_line
    def predict(self, posts: Any, folder: str | os.PathLike | None = None) -> pl.DataFrame:
        """Forecasts of posts in their order: ``id``, ``prediction``, ``lower`` and ``upper`` on the log2 scale, and
        where the label is a count also ``prediction_count``, ``lower_count`` and ``upper_count``.

        posts: as for ``fit``, with no label; the label is never looked at. A column that is missing is not known. Posts
        see older posts of those given to ``fit``, never one another: a forecast does not depend on the call's other
        posts. folder: where media files lie.
        """
        check_fitted(self, "forecast_")
        return forecasts(self.forecast_, posts, folder if folder is not None else self.folder)

    @one_line
    def explain(self, posts: Any, folder: str | os.PathLike | None = None, words: bool = True) -> list[Explanation]:
        """Why each forecast is what it is: contributions of the author's past, time, text and so on that add up to it,
        words that matter, similar older posts; see :class:`popcast.serving.reasons.explanation.Explanation`.

        posts, folder: as for ``predict``. words: whether words are left out one by one, which takes longest.
        """
        check_fitted(self, "forecast_")
        asked, media = _asked(self.forecast_, posts, folder if folder is not None else self._folder())
        with waiting_passively(), in_this_process():
            return self.forecast_.explain(asked.posts, media, words=words)

    @one_line
    def what_if(
        self,
        post: Any,
        titles: Sequence[str] = (),
        tags: Sequence[Sequence[str]] = (),
        categories: Sequence[str] | None = None,
        folder: str | os.PathLike | None = None,
    ) -> WhatIf:
        """What would change the forecast of one post, as far as posts that were held out bear it out; see
        :class:`popcast.serving.what_if.what_if_answer.WhatIf`.

        post: one row, as for ``predict``. titles, tags: to try. categories: None for those that many posts have.
        """
        check_fitted(self, "forecast_")
        asked, media = _asked(self.forecast_, post, folder if folder is not None else self._folder())
        with waiting_passively(), in_this_process():
            return self.forecast_.what_if(asked.posts, titles, tags, categories, media=media)

    def _folder(self) -> str | os.PathLike | None:
        return getattr(self, "folder", None)

    @one_line
    def observe(
        self, posts: Any, counted_at: datetime | None = None, folder: str | os.PathLike | None = None
    ) -> dict[str, int]:
        """Tell of posts that came out, with their labels as far as they are known: later forecasts look back at them.
        Nothing is fitted again. A loaded forecaster keeps them in a journal in its folder.

        posts: as for ``fit``, with ids; of a known post id and label are enough. counted_at: when the labels were
        counted; None: now. A label counts where its post was a day old then (``maturity_days`` of
        :func:`popcast.load`). Returns how many ``posts`` and ``outcomes`` were new, and how many were ``too_young``.
        """
        check_fitted(self, "forecast_")
        place = None if folder is None else Path(folder)
        asked, outcomes = observed_posts(given_rows(posts, place), self.forecast_.contents)
        with waiting_passively(), in_this_process():
            return self.forecast_.observe(asked.posts, outcomes, counted_at, files_folder(posts, place))

    @one_line
    def save(self, folder: str | os.PathLike) -> None:
        """Write a bundle that :func:`popcast.load` reads, wherever it is moved to. It needs no file of posts.

        folder: a new one, or one that holds an older bundle. It holds the known posts' authors and popularity.
        """
        check_fitted(self, "forecast_")
        self.forecast_.save(Path(folder))


class LoadedForecaster:
    """A forecaster that was saved: it predicts, and knows its leaderboard, but cannot be fitted again."""

    def __init__(self, forecast: Forecast) -> None:
        self.forecast_ = forecast
        self.members_ = {name: member.weight for name, member in forecast.contents.members.items()}
        self.blend_, self.scores_ = forecast.blend, forecast.scores

    leaderboard = Forecaster.leaderboard
    explain = Forecaster.explain
    what_if = Forecaster.what_if
    observe = Forecaster.observe
    save = Forecaster.save
    _folder = Forecaster._folder

    @one_line
    def predict(self, posts: Any, folder: str | os.PathLike | None = None) -> pl.DataFrame:
        """As :meth:`Forecaster.predict`."""
        return forecasts(self.forecast_, posts, folder)


@one_line
def load(folder: str | os.PathLike, maturity_days: float | None = None) -> LoadedForecaster:
    """The forecaster that :meth:`Forecaster.save` or ``popcast export`` wrote to ``folder``, with what was observed
    since. BadPosts, one line: there is none, or a broken one.

    maturity_days: how old a post must be when its label is counted; None: a day.
    """
    with waiting_passively():
        return LoadedForecaster(Forecast.load(Path(folder), maturity_days))


def forecasts(forecast: Forecast, posts: Any, folder: str | os.PathLike | None) -> pl.DataFrame:
    """Forecasts of posts as a caller has them; what was odd about them is a warning."""
    asked, media = _asked(forecast, posts, folder, 5)
    with waiting_passively(), in_this_process():
        found = forecast.predict(asked.posts, media)
    return found.rename({"post_id": "id"})


def _asked(forecast: Forecast, posts: Any, folder: str | os.PathLike | None, callers: int = 4) -> tuple[Asked, Path]:
    """Posts as a caller has them, and where their media files lie; what is odd about them is a warning, given where
    the library was called, ``callers`` calls above."""
    place = None if folder is None else Path(folder)
    asked = asked_posts(given_rows(posts, place), forecast.contents)
    for said in asked.said + far_off(forecast, forecast.prepared(asked.posts)):
        warnings.warn(said, stacklevel=callers)
    return asked, files_folder(posts, place)


def _with_label(rows: RowTable, y: Any, name: str | None) -> tuple[RowTable, str]:
    """``rows`` with the labels ``y`` [n] as a column, and its name."""
    name = name or GIVEN_LABEL
    if name in rows.names:
        raise BadInput(f"y: the posts have a column {shown(name)} already: give either")
    values = pl.Series(name, y if isinstance(y, pl.Series) else list(y))
    if len(values) != rows.height:
        raise BadInput(f"y: got {len(values)} labels for {rows.height} posts")
    columns = rows.columns.with_columns(values)
    return replace(rows, columns=columns, names=[*rows.names, name]), name
