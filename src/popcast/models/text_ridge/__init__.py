"""``text_ridge``: ridge regression on the sparse TF-IDF of a post's own words, the anchor of every text model."""

from popcast.models.text_ridge.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
