"""From the table of posts to train, valid, test and unlabelled, and folds over the training posts.

Comes in: posts. Goes out: the table ``splits``, one row per post.
"""

from popcast.splits.making import make_splits

__all__ = ["make_splits"]
