"""Block ``profile``: what was measured after posting, e.g. crawled author totals."""

from popcast.features.profile.block import Block, Params

__all__ = ["Block", "Params"]
