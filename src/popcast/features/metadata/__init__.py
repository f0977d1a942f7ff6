"""Block ``metadata``: what a post shows at posting time (HyFea groups 1-5 and 7-10, smp2025.md section 1)."""

from popcast.features.metadata.block import Block, Params

__all__ = ["Block", "Params"]
