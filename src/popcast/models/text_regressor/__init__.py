"""``text_regressor``: a pretrained text encoder, fine-tuned to read popularity off a post's words."""

from popcast.models.text_regressor.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
