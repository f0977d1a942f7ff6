"""``cban``: frames and title attend to each other twice, to what fits and to what does not (bipolar attention)."""

from popcast.models.cban.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
