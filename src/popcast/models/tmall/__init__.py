"""``tmall``: transductive multi-modal learning, as meant (``fixed``) and as MMRA's baseline computes it (``ref``)."""

from popcast.models.tmall.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
