"""Block ``windows``: sliding-window average of an embedding over an author's posts (CR, smp2025.md section 3.2)."""

from popcast.features.windows.block import Block, Params

__all__ = ["Block", "Params"]
