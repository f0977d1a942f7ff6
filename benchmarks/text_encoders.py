"""What a text says of popularity: ridge on vectors of MiniLM, E5, GloVe and TF-IDF, scored on the validation part.

    PYTHONPATH=src python benchmarks/text_encoders.py --set microlens --models models/pretrained

Sets below $POPCAST_SHARED_DATA (or ../shared/data): ``microlens`` (titles, published split, log2 of comments) and
``weibo`` (posts of ced-weibo, the oldest 70 % learned from, the next 15 % scored, log2(reposts + 1)). The penalty is
chosen by folds of the training part, the vectors are standardised on it. Intervals: 1,000 resamples of posts, 200 for
SRC. Rows of E5 and GloVe need `make pretrained`; those of E5 have 4-bit weights, dequantised.
"""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import click
import numpy as np
import orjson
import polars as pl

from popcast.core.pretrained.packages.package_origin import said_of_weights
from popcast.features import text
from popcast.features.common.contract import Context
from popcast.features.common.encoders import PACKAGED, SentenceEncoder
from popcast.features.glove import Block, Params
from popcast.scoring.bootstrap import bootstrap, interval, paired_difference
from popcast.scoring.metrics import score

PENALTIES = 10.0 ** np.arange(0, 6.5, 0.5)


def shared() -> Path:
    return Path(os.environ.get("POPCAST_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def microlens() -> pl.DataFrame:
    """``post_id``, ``title``, ``popularity``, ``split`` of the published training and validation part."""
    from popcast.datasets import loading
    from popcast.datasets.params import Dataset
    from popcast.splits.making import published

    section = Dataset(
        kind="microlens", raw=str(shared() / "microlens-100k"), zone="UTC", metric="nmse", transform="log2(x)"
    )
    posts = loading.load("microlens", section)[0].drop_nulls("popularity")
    posts = posts.join(published(posts, (9, 18)), on="post_id", maintain_order="left")
    return posts.select("post_id", "title", "popularity", "split").filter(pl.col("split") != "test")


def weibo() -> pl.DataFrame:
    """The same of ced-weibo; the newest 15 % are left out."""
    with gzip.open(shared() / "ced-weibo" / "posts.jsonl.gz") as file:
        rows = [orjson.loads(line) for line in file]
    rows.sort(key=lambda row: (row["time"], row["post_id"]))
    cuts = [int(len(rows) * share) for share in (0.7, 0.85)]
    parts = np.repeat(["train", "valid"], [cuts[0], cuts[1] - cuts[0]])
    return pl.DataFrame(
        {
            "post_id": [row["post_id"] for row in rows[: cuts[1]]],
            "title": [row["text"] for row in rows[: cuts[1]]],
            "popularity": [float(np.log2(row["reposts"] + 1)) for row in rows[: cuts[1]]],
            "split": parts,
        }
    )


def vectors_of(posts: pl.DataFrame, models: Path, scratch: Path) -> dict[str, np.ndarray]:
    """Name of a row -> what ridge learns from, float [posts, width]; seconds are printed."""
    texts, found = posts["title"].fill_null("").to_list(), {}
    for name, encoder in {"MiniLM": PACKAGED, "E5": str(models / "e5")}.items():
        start = time.perf_counter()
        if encoder == PACKAGED or Path(encoder).is_dir():
            found[name] = SentenceEncoder(encoder, scratch=scratch).encode(texts)
            print(f"{name}: {len(texts) / (time.perf_counter() - start):.0f} texts/s", flush=True)
    if "E5" in found:
        found["MiniLM + E5"] = np.hstack([found["MiniLM"], found["E5"]])
    if (models / "glove").is_dir():
        start = time.perf_counter()
        params = Params(vectors=str(models / "glove"), texts={"title": ["title"]})
        table = Block(params, Context("benchmark", 0)).fit(posts).transform(posts)
        known = table["glove.title_embedding"].is_not_null()
        found["GloVe"] = np.zeros((posts.height, table.schema["glove.title_embedding"].size), np.float32)
        found["GloVe"][known.to_numpy()] = table.filter(known)["glove.title_embedding"].to_numpy()
        share = table["glove.title_known"].fill_null(0).mean()
        print(
            f"GloVe: {len(texts) / (time.perf_counter() - start):.0f} texts/s, {share:.0%} of words known", flush=True
        )
        found["MiniLM + GloVe"] = np.hstack([found["MiniLM"], found["GloVe"]])
    found["TF-IDF"] = words_of(posts)
    for name in [name for name in found if name in ("MiniLM", "E5", "MiniLM + E5")]:
        found[f"TF-IDF + {name}"] = np.hstack([found["TF-IDF"], found[name]])
    return found


def words_of(posts: pl.DataFrame) -> np.ndarray:
    """SVD of TF-IDF by the block ``text``, 256 numbers, fitted on the training posts; signs of Chinese, too."""
    params = text.Params.model_validate({"fields": ["title"], "encoder": None, "tfidf": {"dim": 256, "char": [1, 4]}})
    table = text.Block(params, Context("benchmark", 0)).fit(posts).transform(posts)
    vectors, known = np.zeros((posts.height, 256), np.float32), table["text.svd_embedding"].is_not_null()
    vectors[known.to_numpy()] = table.filter(known)["text.svd_embedding"].to_numpy()
    return vectors


def ridge(x: np.ndarray, y: np.ndarray, learn: np.ndarray) -> tuple[np.ndarray, float]:
    """Predictions of the other rows, and the penalty chosen on five folds of ``learn`` in a seeded order."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold

    mean, scale = x[learn].mean(axis=0), x[learn].std(axis=0) + 1e-9
    x, own, labels = ((x - mean) / scale).astype(np.float64), np.flatnonzero(learn), y[learn]
    errors = np.zeros(len(PENALTIES))
    for first, second in KFold(5, shuffle=True, random_state=0).split(own):
        for i, penalty in enumerate(PENALTIES):
            model = Ridge(penalty).fit(x[own[first]], labels[first])
            errors[i] += ((model.predict(x[own[second]]) - labels[second]) ** 2).sum()
    best = float(PENALTIES[errors.argmin()])
    return Ridge(best).fit(x[own], labels).predict(x[~learn]), best


@click.command()
@click.option("--set", "which", type=click.Choice(["microlens", "weibo"]), default="microlens", show_default=True)
@click.option("--models", type=click.Path(path_type=Path), default=Path("models/pretrained"), show_default=True)
@click.option("--scratch", type=click.Path(path_type=Path), default=Path(".scratch/text_encoders"), show_default=True)
@click.option("--learned", type=int, help="so many training posts only, the first ones of the table")
@click.option("--against", default="MiniLM", show_default=True, help="row that the others are compared with")
def main(which: str, models: Path, scratch: Path, learned: int | None, against: str) -> None:
    """Print nMSE and SRC of each row, and its difference to one of them with an interval."""
    posts = {"microlens": microlens, "weibo": weibo}[which]()
    if learned is not None:
        kept = posts.filter(split="train").head(learned)
        posts = pl.concat([kept, posts.filter(pl.col("split") != "train")])
    scratch.mkdir(parents=True, exist_ok=True)
    learn, y = (posts["split"] == "train").to_numpy(), posts["popularity"].to_numpy()
    print(f"{which}: {learn.sum()} posts learned from, {(~learn).sum()} scored")
    predictions, penalties = {}, {}
    for name, x in vectors_of(posts, models, scratch).items():
        predictions[name], penalties[name] = ridge(x, y, learn)
    truth = y[~learn]
    draws = bootstrap(truth, predictions, np.arange(len(truth)), 1000, 0)
    if against not in predictions:
        raise click.BadParameter(f"{against!r}: expected one of {', '.join(predictions)}", param_hint="--against")
    for name, predicted in predictions.items():
        found, own = score(truth, predicted), draws[name]
        note = said_of_weights(models / "e5") if "E5" in name else None
        said = [f"{name}{f' ({note})' if note else ''}: penalty {penalties[name]:.0f}"]
        for metric in ("nmse", "src"):
            low, high = interval(own[metric], 0.95)
            said.append(f"{metric} {found[metric]:.4f} ({low:.4f} to {high:.4f})")
            if name != against:
                low, high, _ = paired_difference(own[metric], draws[against][metric], 0.95)
                apart = found[metric] - score(truth, predictions[against])[metric]
                said.append(f"against {against} {apart:+.4f} ({low:+.4f} to {high:+.4f})")
        print(", ".join(said))


if __name__ == "__main__":
    main()
