"""``cnn``: the plain 1D-CNN of SMP-2025 on standardised numbers, embeddings and embedded categories."""

from popcast.models.cnn.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
