"""BM25 over the histories of all cases: ``python -m benchmarks.response_search --cases 30000``.

Texts of invented pairs of letters in the sizes of ced-weibo: responses of 16 characters, news of 120, histories that
grow from case to case of a user. Two forms give the same scores in one run: one bm25s index per case, as the pipeline
has it, and the equation as a loop over cases and words. Prints seconds, those of the processor too (less moved by
other programs), and ratios.
"""

from __future__ import annotations

import math
import time
from collections import Counter

import click
import numpy as np

LETTERS = 3000
"""Different characters; their frequencies fall with the rank, as those of written Chinese do."""


def generated(cases: int, longest: int, seed: int) -> tuple[list, list, np.ndarray, np.ndarray, np.ndarray]:
    """Tokens of posts and of news, and pairs (case, post, news) in order of cases."""
    from popcast.datasets.sample.random_draws import zipf_weights
    from popcast.response.casework.word_tokens import bigrams

    rng = np.random.default_rng(seed)
    weights = zipf_weights(LETTERS, 0.9)

    def texts(count: int, length: int) -> list[list[str]]:
        sizes = np.maximum(1, rng.exponential(length, count).astype(int))
        letters = rng.choice(LETTERS, int(sizes.sum()), p=weights) + 0x4E00
        text = "".join(map(chr, letters.tolist()))
        ends = np.cumsum(sizes)
        return [bigrams(text[end - size : end]) for end, size in zip(ends.tolist(), sizes.tolist(), strict=True)]

    sizes = np.minimum(rng.geometric(1 / 3.3, cases), longest)
    posts = texts(int(sizes.sum()), 16)
    news = texts(max(1, cases // 14), 120)
    case = np.repeat(np.arange(cases), sizes)
    query = rng.integers(0, len(news), cases)[case]
    return posts, news, case, np.arange(len(case)), query


def loop(posts: list, news: list, case: np.ndarray, post: np.ndarray, query: np.ndarray) -> np.ndarray:
    """The equation, case by case and word by word."""
    score = np.zeros(len(case))
    starts = np.flatnonzero(np.r_[True, case[1:] != case[:-1]]).tolist()
    for start, end in zip(starts, [*starts[1:], len(case)], strict=True):
        corpus = [Counter(posts[row]) for row in post[start:end].tolist()]
        n, mean = len(corpus), sum(counts.total() for counts in corpus) / len(corpus)
        asked = news[int(query[start])]
        df = {word: sum(word in counts for counts in corpus) for word in set(asked)}
        for place, counts in enumerate(corpus):
            norm = 1.5 * (0.25 + 0.75 * counts.total() / max(mean, 1e-12))
            for word in asked:
                if tf := counts[word]:
                    idf = math.log((n - df[word] + 0.5) / (df[word] + 0.5) + 1)
                    score[start + place] += idf * tf * 2.5 / (tf + norm)
    return score


@click.command()
@click.option("--cases", default=30_000, show_default=True)
@click.option("--longest", default=70, show_default=True, help="posts of a case at most")
@click.option("--seed", default=0, show_default=True)
def main(cases: int, longest: int, seed: int) -> None:
    """Time both forms on the same pairs."""
    from popcast.response.casework import history_search

    given = generated(cases, longest, seed)
    seconds, scores = [], []
    for form in (history_search.scores, loop):
        started, busy = time.perf_counter(), time.process_time()
        scores.append(form(*given))
        seconds.append((time.perf_counter() - started, time.process_time() - busy))
    apart = max(float(np.abs(score - scores[0]).max()) for score in scores[1:])
    click.echo(f"{cases} cases, {len(given[2])} posts, {len(given[1])} news; scores differ by {apart:.1e} at most")
    for name, (wall, work) in zip(("bm25s per case", "loop over words"), seconds, strict=True):
        ratios = f"{wall / seconds[0][0]:6.1f} times ({work / seconds[0][1]:.1f} processor)"
        click.echo(f"{name:<16}{wall:8.2f} s{work:8.2f} processor s, {ratios}")


if __name__ == "__main__":
    main()
