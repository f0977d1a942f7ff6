"""How labelled posts are split, and what their history may see.

Times and authors decide, in this order:

1. no times, or times that do not part the posts (most are of one moment): ``random`` (by a hash of the author, or of
   the post). It measures no forecast, and every table says so;
2. posts to predict are the newest of drawn authors (``PostFacts.newest_drawn``) and there are at least 50 authors:
   ``newest_per_author``, and the counts are taken to be read when the newest post was out (``snapshot``);
3. else ``chronological``: the newest 15 % test, the 15 % before them validate.

Folds: 4, or 3 below 700 labelled posts, or 2 below 150. The history of a training post is as old as that of a post to
predict: ``as_of: lag`` with the days that lie between the newest label and the youngest post to predict. Without posts
to predict it is the time that the validation part spans, since those figures decide. Decision 004 has the reasons.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from popcast.core.errors import BadInput
from popcast.planning.choosing.post_facts import SHARES, PostFacts, folds_of

LEAST = 40
"""Labelled posts that three parts can be made of."""

LEAST_AUTHORS = 50


def split_of(facts: PostFacts) -> dict[str, Any]:
    """``splits.<name>``. Raises BadInput where there are too few posts with a label."""
    if facts.labelled < LEAST:
        posts = "post" if facts.labelled == 1 else "posts"
        raise BadInput(f"{facts.labelled} {posts} with a label: too few to learn from, expected at least {LEAST}")
    folds = {"folds": folds_of(facts.labelled)}
    if not facts.timed:
        return {"method": "random", "shares": list(SHARES), **folds, "final_fit": "labelled"}
    if newest_per_author(facts):
        return {"method": "newest_per_author", "shares": [0.4, 0.3, 0.3], **folds, "final_fit": "labelled"}
    return {"method": "chronological", "shares": list(SHARES), **folds, "final_fit": "labelled"}


def newest_per_author(facts: PostFacts) -> bool:
    return facts.newest_drawn and facts.every_author and facts.authors >= LEAST_AUTHORS


def snapshot_of(facts: PostFacts) -> datetime | None:
    """The full hour after the newest post of all, where all counts were read at one moment; else None."""
    if not newest_per_author(facts) or facts.newest is None:
        return None
    return facts.newest.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def history_of(facts: PostFacts) -> dict[str, Any]:
    """Settings of the block ``history``."""
    outcomes = {"outcomes": list(facts.outcomes)} if facts.outcomes else {}
    if newest_per_author(facts):
        return outcomes
    lag = facts.lag_days if facts.lag_days > 0 else 0.15 * facts.span_days
    lag = min(lag, facts.span_days / 4)
    return {"as_of": "lag", "lag_days": math.ceil(lag) if lag > 1 else round(lag, 3), **outcomes}
