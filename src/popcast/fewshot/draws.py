"""Few-shot protocol: which authors are drawn for what, and which of their posts are shown and asked about.

Source: sheet multismpllm.md sections 3 and 4. Posts of an author are in order of time, posts of one moment in order of
their ids. Every number comes from the author's or the post's id and the seed, never from the order of rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from popcast.core.errors import BadInput, bad_input
from popcast.core.stable import stable_random
from popcast.fewshot.params import Task, many_name

COLUMNS = ("post_id", "user_id", "posted_at", "popularity")
RECORD = {
    "record_id": pl.String(),
    "draw": pl.String(),
    "role": pl.String(),
    "shots": pl.Int8(),
    "user_id": pl.String(),
    "history": pl.List(pl.String()),
    "target": pl.String(),
    "score": pl.Float64(),
}


def usable_posts(posts: pl.DataFrame, splits: pl.DataFrame) -> pl.DataFrame:
    """Labelled posts that the split table uses: not those outside the window of a rolling origin."""
    outside = splits.filter(pl.col("split") == "unlabelled")
    return posts.filter(pl.col("popularity").is_not_null()).join(outside, on="post_id", how="anti")


def histories(posts: pl.DataFrame, dataset: str) -> pl.DataFrame:
    """One row per author, sorted by ``user_id``: ``posts`` and ``scores`` as lists, oldest first.

    posts: labelled posts. Posts without an author belong to nobody and are left out. Raises BadInput for a dataset
    without authors, for a post of an author without time, and for posts without a label.
    """
    posts = posts.select(COLUMNS).filter(pl.col("user_id").is_not_null())
    if posts.is_empty():
        raise BadInput(f"tasks.{dataset}: no labelled post of {dataset} has an author: few-shot tasks need user_id")
    for field in ("posted_at", "popularity"):
        missing = posts.filter(pl.col(field).is_null())["post_id"]
        if len(missing):
            raise bad_input(
                f"a few-shot task needs it in every post, post {missing.min()} has none", file=dataset, field=field
            )
    return (
        posts.sort("posted_at", "post_id")
        .group_by("user_id", maintain_order=True)
        .agg(posts="post_id", scores="popularity")
        .sort("user_id")
    )


def draw_users(posts: pl.DataFrame, task: Task, seed: int, dataset: str) -> pl.DataFrame:
    """Draw authors with at least ``task.newest`` posts: table DRAWS, each author in one draw.

    posts: labelled posts. coldstart: ``fewshot``, ``extra1``.., ``pool`` of ``task.users`` authors each. zeroshot: one
    draw ``zeroshot``, of all such authors if ``users`` is null. Raises BadInput where there are too few authors.
    """
    authors = histories(posts, dataset)
    enough = authors.filter(pl.col("posts").list.len() >= task.newest)["user_id"]
    if task.track == "zeroshot":
        names, size = ["zeroshot"], len(enough) if task.users is None else task.users
    else:
        names, size = ["fewshot", *(f"extra{i + 1}" for i in range(task.extra)), "pool"], task.users
    if len(enough) < max(len(names) * size, 1):
        raise BadInput(
            f"params.yaml: tasks.{dataset}.users: {len(enough)} of {authors.height} authors have {task.newest} or more"
            f" labelled posts: expected at least {max(len(names) * size, 1)}, that is {max(size, 1)} for each of"
            f" {len(names)} draws"
        )
    drawn = (
        pl.DataFrame({"user_id": enough, "order": stable_random(enough, seed, f"few-shot authors of {dataset}")})
        .sort("order", "user_id")
        .head(len(names) * size)
    )
    draw = pl.Series("draw", [name for name in names for _ in range(size)], dtype=pl.String)
    return drawn.select("user_id", draw).sort("user_id")


def make_records(posts: pl.DataFrame, draws: pl.DataFrame, task: Task, seed: int) -> pl.DataFrame:
    """Records of a task, table RECORDS sorted by ``record_id``.

    posts: labelled posts. draws: of :func:`draw_users`. Per number of shots: a training and a test record for each
    author of ``fewshot``, a test record for the other test draws, one in the same form with role ``preference`` for
    ``pool``. ``many_XX``: training records with the most shots for a share of the posts of all other authors.
    """
    authors = histories(posts, task.dataset)
    drawn = authors.join(draws, on="user_id", how="inner").sort("user_id")
    if drawn.height != draws.height:
        raise BadInput(f"tasks.{task.dataset}: posts lack authors of the draws: run `dvc repro`")
    rows = []
    for user, ids, scores, draw in drawn.select("user_id", "posts", "scores", "draw").iter_rows():
        first = len(ids) - task.newest
        if first < 0:
            raise BadInput(f"tasks.{task.dataset}: a drawn author has fewer than {task.newest} posts: run `dvc repro`")
        for role, shots, shown, asked in _questions(task, draw):
            history = [ids[first + place] for place in shown]
            rows.append((draw, role, shots, user, history, ids[first + asked], scores[first + asked]))
    others = authors.join(draws, on="user_id", how="anti").sort("user_id")
    rows.extend(_many_shot(others, task, seed))
    named = [(f"{draw}-{role}-{shots}-{rest[2]}", draw, role, shots, *rest) for draw, role, shots, *rest in rows]
    return pl.DataFrame(named, schema=RECORD, orient="row").sort("record_id")


def _questions(task: Task, draw: str) -> Iterator[tuple[str, int, range, int]]:
    """(role, shots, places shown, place asked about) among the ``newest`` posts of an author, 0 the oldest of them."""
    last = task.newest - 1
    for shots in task.shots:
        if task.track == "zeroshot":
            yield "test", shots, range(last - shots, last), last
            continue
        start = 0 if task.question == "earliest" else last - shots - 1
        if draw == "fewshot":
            yield "train", shots, range(start, start + shots), start + shots
        role = "preference" if draw == "pool" else "test"
        yield role, shots, range(start, start + shots + 1), last


def _many_shot(authors: pl.DataFrame, task: Task, seed: int) -> list[tuple]:
    """Training records of the many-shot shares: a post is asked about if its own random number is below the share.

    So a larger share holds all records of a smaller one. History: up to ``max(shots)`` older posts; the oldest post of
    an author shows none and is never asked about. Raises BadInput for a share that no post falls into.
    """
    shots, rows = max(task.shots), []
    chances = {
        post: chance
        for ids in authors["posts"].to_list()
        for post, chance in zip(ids, stable_random(ids, seed, f"many-shot posts of {task.dataset}"), strict=True)
    }
    for share in task.many_shot:
        found = [
            (many_name(share), "train", shots, user, ids[max(place - shots, 0) : place], ids[place], scores[place])
            for user, ids, scores in authors.select("user_id", "posts", "scores").iter_rows()
            for place in range(1, len(ids))
            if chances[ids[place]] < share
        ]
        if not found:
            raise BadInput(
                f"params.yaml: tasks.{task.dataset}.many_shot: no post for a share of {share}: the authors outside the"
                f" draws have {len(chances)} labelled posts"
            )
        rows.extend(found)
    return rows
