"""Feature block ``neighbours`` (derived): the most similar older posts with a label, and how popular they became."""

from popcast.features.neighbours.block import Block, Params

__all__ = ["Block", "Params"]
