"""``mftm``: a weighted mean of LightGBM and TabNet, both at their libraries' defaults, on frames and title."""

from popcast.models.mftm.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
