"""Feature block ``knn_values`` (derived): what the most similar older posts of the training part were like."""

from popcast.features.knn_values.block import Block, Params

__all__ = ["Block", "Params"]
