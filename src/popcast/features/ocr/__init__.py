"""Feature block ``ocr``: the words in a post's first picture."""

from popcast.features.ocr.block import Block, Params

__all__ = ["Block", "Params"]
