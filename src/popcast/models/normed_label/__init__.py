"""``normed_label``: any other predictor, learning a label on another scale, see predictor.py."""

from popcast.models.normed_label.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
