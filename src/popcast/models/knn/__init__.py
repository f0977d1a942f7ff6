"""``knn``: the popularity of similar older posts, pulled to the training median where the neighbours are few."""

from popcast.models.knn.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
