"""Feature block ``glove``: the mean word vectors of a post's title and of its tags."""

from popcast.features.glove.block import Block, Params

__all__ = ["Block", "Params"]
