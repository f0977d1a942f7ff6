"""Block ``history``: what the author's older posts say at the time of posting (smp2025.md sections 3.2 and 9.7)."""

from popcast.features.history.block import Block, Params

__all__ = ["Block", "Params"]
