"""``kernel_ridge``: one kernel ridge regression on words and on what they mean."""

from popcast.models.kernel_ridge.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
