"""Feature block ``image``: the first picture of a post."""

from popcast.features.image.block import Block, Params

__all__ = ["Block", "Params"]
