"""``hmmved``: frames and title as two Gaussian experts whose product is decoded (user-free, so really MMVED)."""

from popcast.models.hmmved.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
