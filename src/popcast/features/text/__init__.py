"""Feature block ``text``: what a post says, as vectors."""

from popcast.features.text.block import Block, Params

__all__ = ["Block", "Params"]
