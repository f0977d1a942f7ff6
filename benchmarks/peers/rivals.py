"""The rivals: each takes a :class:`Fit` and gives a prediction per post that is asked for.

As their authors recommend them, with the loss of the data set's metric where they have it (MAPE: absolute error
weighted 1/y, CatBoost's own MAPE). A rival's package is imported inside the function that needs it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.peers.older_posts import TEXTS

PATIENCE = 50
"""Rounds of a boosting without a gain on the posts that it stops on."""

MOST_ROUNDS = 3000


@dataclass(frozen=True)
class Fit:
    """x: columns of all posts. y: float [posts], NaN without a label. learn, tune, ask: rows of ``x``.

    metric: ``mae``, ``mape`` or ``nmse``. refit: learn again from learn and tune once the length of training is known.
    seconds: of the processor. folder: where a rival may keep files.
    """

    x: pl.DataFrame
    y: np.ndarray
    learn: np.ndarray
    tune: np.ndarray
    ask: np.ndarray
    metric: str
    refit: bool
    seconds: float
    threads: int
    seed: int
    folder: Path

    @property
    def both(self) -> np.ndarray:
        return np.sort(np.concatenate([self.learn, self.tune]))

    def weights(self, rows: np.ndarray) -> np.ndarray | None:
        """1/y for MAPE, of mean 1; labels nearer to 0 than .1 count as .1. None for other metrics."""
        if self.metric != "mape":
            return None
        weights = 1 / np.maximum(np.abs(self.y[rows]), 0.1)
        return weights / weights.mean()

    def texts(self) -> list[str]:
        return [name for name in TEXTS if name in self.x.columns]

    def categories(self) -> list[str]:
        return [name for name, kind in self.x.schema.items() if kind == pl.String and name not in TEXTS]


@contextmanager
def clocks_of_the_processor() -> Iterator[None]:
    """``time.time`` and ``time.monotonic`` count the seconds that this process gets of the processor.

    For a rival that keeps to a limit on the clock: beside other programs it would be cut short otherwise.
    """
    kept, start = (time.time, time.monotonic), time.time() - time.process_time()
    time.time = lambda: start + time.process_time()
    time.monotonic = time.process_time
    try:
        yield
    finally:
        time.time, time.monotonic = kept


def autogluon(fit: Fit) -> np.ndarray:
    """AutoGluon's default preset; models are chosen and weighted on the later posts ``tune``."""
    return _autogluon(fit, fit.learn, fit.tune, {})


def autogluon_time(fit: Fit) -> np.ndarray:
    """The same, but it cuts the newest posts of all that it may learn from off by itself (``validation_structure``)."""
    return _autogluon(fit, fit.both, None, {"validation_structure": {"time_on": "posted_seconds"}})


def autogluon_no_forests(fit: Fit) -> np.ndarray:
    """``autogluon`` without random forests and extra trees.

    A forest of AutoGluon's (1.6.3) looks at the clock only where memory could run short, and then after its first few
    trees. Over many columns of word counts it can outlast the budget, and nothing behind it is fitted then.
    """
    return _autogluon(fit, fit.learn, fit.tune, {"excluded_model_types": ["RF", "XT"]})


def _autogluon(fit: Fit, learn: np.ndarray, tune: np.ndarray | None, settings: dict[str, object]) -> np.ndarray:
    from autogluon.tabular import TabularPredictor

    frame = fit.x.to_pandas().assign(popularity=fit.y)
    metrics = {"mae": "mean_absolute_error", "mape": "mean_absolute_percentage_error"}
    metric = metrics.get(fit.metric, "root_mean_squared_error")
    predictor = TabularPredictor("popularity", "regression", metric, path=str(fit.folder), verbosity=2)
    with clocks_of_the_processor():
        predictor.fit(
            frame.iloc[learn], None if tune is None else frame.iloc[tune], time_limit=fit.seconds,
            num_cpus=fit.threads, num_gpus=0, refit_full=fit.refit, set_best_to_refit_full=fit.refit, **settings,
        )  # fmt: skip
    print(predictor.leaderboard(silent=True).to_string())
    return predictor.predict(frame.iloc[fit.ask].drop(columns="popularity")).to_numpy()


class _Budget:
    """Stops CatBoost when the processor's seconds are used up."""

    def __init__(self, seconds: float) -> None:
        self.end = time.process_time() + seconds

    def after_iteration(self, info: object) -> bool:
        return time.process_time() < self.end


def catboost(fit: Fit) -> np.ndarray:
    """CatBoost with authors and other strings as categories and titles, tags and the like as its text features."""
    from catboost import CatBoostRegressor, Pool

    texts, categories = fit.texts(), fit.categories()
    frame = fit.x.with_columns(pl.col(texts + categories).fill_null("")).to_pandas()

    def pool(rows: np.ndarray) -> Pool:
        return Pool(frame.iloc[rows], fit.y[rows], cat_features=categories, text_features=texts)

    def model(rounds: int) -> CatBoostRegressor:
        loss = {"mae": "MAE", "mape": "MAPE"}.get(fit.metric, "RMSE")
        return CatBoostRegressor(
            loss_function=loss, iterations=rounds, random_seed=fit.seed, thread_count=fit.threads, verbose=False,
            allow_writing_files=False,
        )  # fmt: skip

    # Refitted: half of the time for each of the two models, though the second is of known length.
    first = model(MOST_ROUNDS)
    budget = _Budget(fit.seconds / (2 if fit.refit else 1))
    first.fit(pool(fit.learn), eval_set=pool(fit.tune), early_stopping_rounds=PATIENCE, callbacks=[budget])
    if fit.refit:
        first = model(first.tree_count_).fit(pool(fit.both))
    return first.predict(frame.iloc[fit.ask])


def vectorised(fit: Fit, scaled: bool) -> np.ndarray:
    """Columns as numbers by skrub's ``TableVectorizer``, fitted on ``learn``: float [posts, width].

    Many-valued strings become 30 components of their character n-grams. scaled: one-hot categories and no missing
    value, for networks.
    """
    from skrub import StringEncoder, TableVectorizer, ToCategorical

    low = {} if scaled else {"low_cardinality": ToCategorical()}
    encoder = StringEncoder(random_state=fit.seed)
    table = TableVectorizer(high_cardinality=encoder, **low).fit(fit.x[fit.learn])
    made = table.transform(fit.x)
    codes = [pl.col(name).to_physical() for name, kind in made.schema.items() if kind in (pl.Categorical, pl.Enum)]
    numbers = made.with_columns(codes).select(pl.all().cast(pl.Float64)).to_numpy()
    if not scaled:
        return numbers
    middle = np.nan_to_num(np.nanmedian(numbers[fit.learn], axis=0))
    return np.where(np.isnan(numbers), middle, numbers).astype(np.float32)


def skrub(fit: Fit) -> np.ndarray:
    """skrub's ``TableVectorizer``, then histogram gradient boosting of scikit-learn."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    x = vectorised(fit, scaled=False)
    loss = "squared_error" if fit.metric == "nmse" else "absolute_error"
    settings = {"loss": loss, "learning_rate": 0.05, "random_state": fit.seed}
    weights = fit.weights(fit.learn)
    model = HistGradientBoostingRegressor(
        max_iter=MOST_ROUNDS, early_stopping=True, n_iter_no_change=PATIENCE, **settings
    )
    model.fit(
        x[fit.learn], fit.y[fit.learn], weights, X_val=x[fit.tune], y_val=fit.y[fit.tune],
        sample_weight_val=fit.weights(fit.tune),
    )  # fmt: skip
    if fit.refit:
        rounds = max(1, model.n_iter_ - PATIENCE)
        model = HistGradientBoostingRegressor(max_iter=rounds, early_stopping=False, **settings)
        model.fit(x[fit.both], fit.y[fit.both], fit.weights(fit.both))
    return model.predict(x[fit.ask])


def _network(fit: Fit, make: Callable[..., object], most: int) -> np.ndarray:
    """A network of pytabkit on skrub's numbers; the epoch is chosen on ``tune`` by MAE (RMSE where the metric is nMSE).

    As many epochs, ``most`` at most, as the budget has room for by what a first one takes, so that a schedule of rates
    comes to its end. The training losses are squared errors; posts have no weights, so MAPE is not what they learn.
    """
    start = time.process_time()
    x = vectorised(fit, scaled=True)
    settings = {
        "device": "cpu", "random_state": fit.seed, "n_cv": 1, "n_threads": fit.threads,
        "val_metric_name": "rmse" if fit.metric == "nmse" else "mae",
    }  # fmt: skip
    data = (x[fit.learn], fit.y[fit.learn], x[fit.tune], fit.y[fit.tune])
    first = time.process_time()
    make(n_epochs=1, n_refit=0, **settings).fit(*data)
    now = time.process_time()
    epochs = (fit.seconds - (now - start)) / (2 if fit.refit else 1) / (now - first)
    epochs = int(min(most, max(1, epochs)))
    print(f"{epochs} epochs: a first one took {now - first:.1f} s of the processor")
    model = make(n_epochs=epochs, n_refit=int(fit.refit), **settings)
    model.fit(*data)
    return np.asarray(model.predict(x[fit.ask])).ravel()


def realmlp(fit: Fit) -> np.ndarray:
    """RealMLP with its tuned defaults (pytabkit), 256 epochs if there is time."""
    from pytabkit import RealMLP_TD_Regressor

    return _network(fit, RealMLP_TD_Regressor, 256)


def tabm(fit: Fit) -> np.ndarray:
    """TabM with its defaults (pytabkit), which stops by itself after 16 epochs without a gain."""
    from pytabkit import TabM_D_Regressor

    return _network(fit, TabM_D_Regressor, 10_000)


RIVALS: dict[str, Callable[[Fit], np.ndarray]] = {
    "autogluon": autogluon,
    "autogluon_no_forests": autogluon_no_forests,
    "autogluon_time": autogluon_time,
    "catboost": catboost,
    "realmlp": realmlp,
    "skrub": skrub,
    "tabm": tabm,
}
