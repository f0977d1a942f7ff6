"""``stacker``: the AutoGluon role. A second layer weighs members that were predicted out of fold."""

from popcast.models.stacker.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
