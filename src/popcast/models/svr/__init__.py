"""``svr``: support vector regression with an RBF kernel on standardised embeddings of text, image and video."""

from popcast.models.svr.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
