"""``massl``: the experts of ``hmmved`` with a wide latent that a chain of convolutions and poolings decodes."""

from popcast.models.massl.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
