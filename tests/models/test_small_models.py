"""Reference rows, kNN, SVR and the text ridge: values against what they claim to compute."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from popcast.core.errors import BadInput
from popcast.models import kernel_ridge, knn, reference, svr, text_ridge
from tests.models.wide import WORDS


def test_median_and_author_mean(data):
    posts, features, target, _ = data
    median = reference.Predictor(reference.Params(), 0).fit(posts, features, target, None)
    assert (median.predict(posts, features) == np.median(target)).all()
    author = reference.Predictor(reference.Params(kind="author_mean"), 0).fit(posts, features, target, None)
    expected = features["history.smoothed_mean"].fill_null(float(np.median(target))).to_numpy()
    assert author.predict(posts, features) == pytest.approx(expected, abs=1e-5)
    bare = features.select("metadata.hour")
    assert (author.predict(posts, bare) == np.median(target)).all()


def test_history_ridge_equals_scikit_learn(data):
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    posts, features, target, _ = data
    model = reference.Predictor(reference.Params(kind="history_ridge", alpha=3.0), 0).fit(posts, features, target, None)
    history = features.select(sorted(c for c in features.columns if c.startswith("history.")))
    raw = history.cast(pl.Float32).cast(pl.Float64)
    filled = raw.with_columns(pl.all().fill_null(pl.all().median()))
    design = np.hstack([filled.to_numpy(), raw.select(pl.all().is_null()).to_numpy().astype(float)])
    design = StandardScaler().fit_transform(design)
    design[:, : raw.width] = design[:, : raw.width].clip(-5, 5)
    expected = Ridge(alpha=3.0).fit(design, target).predict(design)
    assert model.predict(posts, features) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_line_goes_no_further_than_five_deviations(data, sign):
    """A post ten years after the others, or of an author like no other, gets a forecast among outcomes."""
    posts, features, target, _ = data
    model = reference.Predictor(reference.Params(kind="history_ridge"), 0).fit(posts, features, target, None)
    numbers = [name for name in features.columns if name.startswith("history.")]
    far = [features.with_columns(pl.lit(sign * size).alias(name) for name in numbers) for size in (1e6, 1e30)]
    one, other = (model.predict(posts, table) for table in far)
    assert one == pytest.approx(other)
    count = len(model.ridge.columns)
    flags = np.abs((model.ridge.mean / model.ridge.scale * model.ridge.weights)[count:]).sum()
    reach = 5 * np.abs(model.ridge.weights[:count]).sum() + flags
    assert np.abs(one - model.ridge.intercept).max() <= reach + 1e-6


def test_knn_is_the_calibrated_shrunk_neighbour_mean(data):
    posts, features, target, _ = data
    model = knn.Predictor(knn.Params(shrinkage=4.0), 0).fit(posts, features, target, None)
    mean = features["neighbours.label_mean"].to_numpy()
    count = np.where(np.isnan(mean), 0, features["neighbours.count"].fill_null(0).to_numpy())
    estimate = (np.where(count > 0, count * np.nan_to_num(mean), 0) + 4 * np.median(target)) / (count + 4)
    slope, intercept = np.polyfit(estimate, target, 1)
    assert model.predict(posts, features) == pytest.approx(intercept + slope * estimate, abs=1e-5)
    alone = features.with_columns(pl.lit(None, pl.Float64).alias("neighbours.label_mean"))
    assert model.predict(posts, alone) == pytest.approx(np.full(240, intercept + slope * np.median(target)), abs=1e-5)


def test_svr_evaluates_scikit_learns_own_function(data):
    from sklearn.svm import SVR

    posts, features, target, _ = data
    model = svr.Predictor(svr.Params(c=2.0, epsilon=0.2), 0).fit(posts, features, target, None)
    assert model.columns == ["text.embedding", "image.embedding"]
    x = model._scaled(features)
    center = np.median(target)
    expected = SVR(C=2.0, epsilon=0.2, gamma=model.gamma).fit(x, target - center).predict(x) + center
    assert model.gamma == pytest.approx(1 / (x.shape[1] * x.var()))
    assert model.predict(posts, features) == pytest.approx(expected, abs=1e-6)


def test_svr_learns_from_a_seeded_sample_of_at_most_max_train(data):
    posts, features, target, _ = data
    params = svr.Params(max_train=60)
    first, second = (svr.Predictor(params, seed).fit(posts, features, target, None) for seed in (1, 2))
    assert len(first.vectors) <= 60
    assert not np.array_equal(first.predict(posts, features), second.predict(posts, features))


def test_kernel_ridge_equals_scikit_learn_on_the_sum_of_both_kernels(data):
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.metrics.pairwise import rbf_kernel

    posts, features, target, _ = data
    full = features["text.embedding"].is_not_null() & posts["title"].is_not_null()
    posts, features, target = posts.filter(full), features.filter(full), target[full.to_numpy()]
    model = kernel_ridge.Predictor(kernel_ridge.Params(word_weight=0.5, width=2.0, penalty=1.0), 0)
    model.fit(posts, features, target, None)
    raw = features["text.embedding"].to_numpy().astype(np.float64)
    x = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    terms = model.words.transform(posts["title"].to_list()).toarray()
    kernel = 0.5 * terms @ terms.T + rbf_kernel(x, gamma=2.0 / x.shape[1])
    expected = KernelRidge(alpha=1.0, kernel="precomputed").fit(kernel, target - target.mean()).predict(kernel)
    assert model.predict(posts, features) == pytest.approx(expected + target.mean(), abs=1e-3)


def test_text_ridge_equals_scikit_learn_on_the_same_terms(data):
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    posts, features, target, _ = data
    model = text_ridge.Predictor(text_ridge.Params(alphas=[2.0]), 0).fit(posts, features, target, None)
    titles = posts["title"].fill_null("").to_list()
    word = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit_transform(titles)
    char = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=2, sublinear_tf=True).fit_transform(titles)
    design = sparse.hstack([word, char]).toarray()
    expected = Ridge(alpha=2.0).fit(design, target).predict(design)
    assert model.predict(posts, features) == pytest.approx(expected, abs=1e-4)
    weights = {term: weight for term, weight in model.importances().items() if term in {f"word:{w}" for w in WORDS}}
    assert max(weights, key=weights.get) == "word:sunset", "the one word that moves the generated label"


def test_text_ridge_chooses_alpha_on_the_last_fold(data):
    posts, features, target, folds = data
    old, new = folds < 3, folds == 3
    alphas, errors = [0.1, 1.0, 10.0, 1000.0], []
    for alpha in alphas:
        model = text_ridge.Predictor(text_ridge.Params(alphas=[alpha]), 0)
        model.fit(posts.filter(pl.Series(old)), features.filter(pl.Series(old)), target[old], None)
        later = model.predict(posts.filter(pl.Series(new)), features.filter(pl.Series(new)))
        errors.append(((later - target[new]) ** 2).mean())
    model = text_ridge.Predictor(text_ridge.Params(alphas=alphas), 0).fit(posts, features, target, folds)
    assert model.alpha == alphas[int(np.argmin(errors))]


def test_text_ridge_joins_fields_with_a_separator_and_refuses_posts_without_text(data):
    posts, features, target, _ = data
    model = text_ridge.Predictor(text_ridge.Params(fields=["title", "tags", "category"]), 0)
    texts = model._texts(posts)
    assert texts[1] == " | ".join([posts["title"][1], " ".join(posts["tags"][1]), posts["category"][1]])
    assert texts[0] == ""
    silent = posts.with_columns(title=pl.lit(None, dtype=pl.String))
    with pytest.raises(BadInput, match="no post has any text"):
        text_ridge.Predictor(text_ridge.Params(), 0).fit(silent, features, target, None)


def test_text_ridge_with_relative_errors_equals_weighted_scikit_learn(data):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import Ridge

    posts, features, target, _ = data
    posts = posts.with_columns(post_music=pl.col("title").str.to_uppercase(), title=pl.lit("same"))
    settings = text_ridge.Params(fields=["post_music"], alphas=[1.0], relative=True)
    model = text_ridge.Predictor(settings, 0).fit(posts, features, target, None)
    texts = posts["post_music"].fill_null("").to_list()
    kinds = [{"ngram_range": (1, 2)}, {"analyzer": "char_wb", "ngram_range": (3, 5)}]
    parts = [TfidfVectorizer(**kind, min_df=2, sublinear_tf=True).fit_transform(texts).toarray() for kind in kinds]
    weights = 1 / np.maximum(np.abs(target), 1)
    expected = Ridge(alpha=1.0).fit(np.hstack(parts), target, sample_weight=weights / weights.mean())
    assert model.predict(posts, features) == pytest.approx(expected.predict(np.hstack(parts)), abs=1e-4)
    assert model.predict(posts.drop("post_music"), features) == pytest.approx(np.full(len(target), model.intercept))


def test_text_ridge_refuses_ids_and_columns_without_text(data):
    posts, features, target, _ = data
    for name in ("post_id", "user_id"):
        with pytest.raises(ValueError, match="expected one of title, tags"):
            text_ridge.Params(fields=[name])
    with pytest.raises(BadInput, match="posts have no text 'post_music'"):
        text_ridge.Predictor(text_ridge.Params(fields=["title", "post_music"]), 0).fit(posts, features, target, None)


def test_text_ridge_on_the_microlens_titles(shared_data):
    """Sheet mmra.md section 8: TF-IDF ridge with alpha 10 has nMSE .8454 and SRC .3906 on the published test part."""
    from scipy.stats import spearmanr
    from sklearn.model_selection import train_test_split

    folder = shared_data("microlens-100k")
    lines = (folder / "MicroLens-100k_title_en.csv").read_text("utf-8").split("\n")
    titles = {int(i): title.strip() or None for i, title in (line.split(",", 1) for line in lines if line.strip())}
    counts = pl.read_csv(folder / "video_label.csv").sort("video_id")
    posts = pl.DataFrame(
        {
            "post_id": counts["video_id"].cast(pl.String),
            "posted_at": pl.Series([None] * counts.height, dtype=pl.Datetime("us", "UTC")),
            "title": [titles[i] for i in counts["video_id"]],
        }
    )
    target = np.log2(counts["comment_count"].to_numpy())
    train, rest = train_test_split(np.arange(counts.height), test_size=0.2, random_state=9)
    test, _ = train_test_split(rest, test_size=0.5, random_state=18)
    none = pl.DataFrame({"metadata.none": np.zeros(counts.height)})
    model = text_ridge.Predictor(text_ridge.Params(alphas=[10.0]), 0)
    found = model.fit(posts[train], none[train], target[train], None).predict(posts[test], none[test])
    assert ((found - target[test]) ** 2).mean() / target[test].var() == pytest.approx(0.8454, abs=0.001)
    assert spearmanr(found, target[test])[0] == pytest.approx(0.3906, abs=0.001)
