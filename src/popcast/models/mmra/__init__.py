"""``mmra``: a micro-video's popularity from its frames and title and from those of its most similar videos."""

from popcast.models.mmra.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
