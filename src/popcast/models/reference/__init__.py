"""``reference``: the rows that every report shows beside the models, so that a number can be judged."""

from popcast.models.reference.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
