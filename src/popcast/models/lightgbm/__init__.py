"""``lightgbm``: gradient boosted trees on every block that the run names, optionally on top of a baseline column."""

from popcast.models.lightgbm.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
