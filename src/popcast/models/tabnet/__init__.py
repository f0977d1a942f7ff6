"""``tabnet``: decision steps that each look at a few columns, chosen row by row."""

from popcast.models.tabnet.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
