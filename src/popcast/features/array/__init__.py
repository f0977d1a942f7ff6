"""Feature block ``array``: vectors that the makers of a dataset extracted, row i of a file = the post with id i + 1."""

from popcast.features.array.block import Block, Params

__all__ = ["Block", "Params"]
