"""``dae_cnn``: an autoencoder is fitted first, then a 1D-CNN learns from its frozen encoding beside the raw inputs."""

from popcast.models.dae_cnn.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
