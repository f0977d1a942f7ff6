"""Settings of the predictor of shares: ``set`` of ``reaction_shares.<key>``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from popcast.core.section import Name, Section


class ShareHistory(Section):
    """What an author's older posts say, see ``share_history.py``."""

    as_of: Literal["post", "lag"] = Field("post", description="what learned posts see, see features/visibility.py")
    lag_days: float = Field(0.0, ge=0, description="of as_of lag: the longest time that news may be old")
    half: float = Field(2.0, gt=0, description="k: n reactions weigh as n / (n + k) of a post, here and in the loss")
    smoothing: float = Field(2.0, gt=0, description="posts' worth of the prior in every smoothed mean")
    windows: list[Annotated[int, Field(ge=1)]] = Field(
        [5, 20, 100], min_length=1, description="means of the author's last so many visible posts"
    )
    level_window: int = Field(1000, ge=1, description="newest visible posts of all authors that make the mood")


class ShareWords(Section):
    """A softmax regression on words, see ``share_words.py``."""

    terms: Literal["none", "word", "char", "word+char"] = Field("word", description="char: texts without blanks")
    min_df: int = Field(5, ge=1, description="learned posts that a term must occur in")
    max_features: int = Field(100_000, ge=1, description="terms of each kind")
    penalty: float = Field(0.3, gt=0, description="L2 of the weights over all posts")
    author_penalty: float = Field(1.0, gt=0, description="L2 of an author's own weights")
    author_posts: int | None = Field(50, ge=2, description="learned posts that give an author own weights; null: none")
    iterations: int = Field(30, ge=1, description="of L-BFGS at most")
    stretches: int = Field(3, ge=2, description="of time, each scored by a fit on the others")


class ShareTrees(Section):
    """Boosted softmax on top of the author's shares, see ``share_model.py``; names of LightGBM."""

    learning_rate: float = Field(0.06, gt=0, le=1)
    num_leaves: int = Field(31, ge=2)
    min_child_samples: int = Field(50, ge=1)
    feature_fraction: float = Field(0.4, gt=0, le=1)
    bagging_fraction: float = Field(0.8, gt=0, le=1)
    lambda_l2: float = Field(5.0, ge=0)
    max_bin: int = Field(127, ge=2)
    rounds: int = Field(400, ge=1, description="rounds at most; each grows one tree per class")
    early_stopping: int = Field(30, ge=1, description="rounds without gain on the stopping window")
    fallback_rounds: int = Field(30, ge=1, description="rounds where there are too few posts for a window")


class ShareSettings(Section):
    """How shares of reactions are predicted and scored."""

    blocks: list[Name] | None = Field(None, description="null: every feature block that the items have")
    rare: int = Field(10, ge=1, description="learned posts that a category needs for a code of its own")
    history: ShareHistory = ShareHistory()
    words: ShareWords = ShareWords()
    trees: ShareTrees = ShareTrees()
    sharpen: bool = Field(
        False, description="raise shares to the power of least divergence on the stopping window; means are then biased"
    )
    least: int = Field(10, ge=1, description="reactions that a post needs to be scored")
    ordered: bool = Field(False, description="classes stand in an order: Wasserstein-1 is scored too")
    resamples: int = Field(1000, ge=0, description="0: no intervals. The stage takes evaluation.bootstrap")
    confidence: float = Field(0.95, gt=0, lt=1, description="the stage takes evaluation.confidence")
