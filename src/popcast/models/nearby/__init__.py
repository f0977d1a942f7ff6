"""``nearby``: the popularity of the few learned posts that are most alike, by cosine of standardised embeddings."""

from popcast.models.nearby.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
