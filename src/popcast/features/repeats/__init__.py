"""Block ``repeats``: whether the author has posted the same words before, and what became of them."""

from popcast.features.repeats.block import Block, Params

__all__ = ["Block", "Params"]
