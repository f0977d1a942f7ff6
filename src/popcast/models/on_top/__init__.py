"""``on_top``: any other predictor, learning how far posts lie from a start value."""

from popcast.models.on_top.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
