"""``contextual_lstm``: one LSTM reads the frames, one the title; their last states are mixed by two linear layers."""

from popcast.models.contextual_lstm.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
