"""``hyfea``: the CatBoost regressor of the SMP challenge's 2020 winner, on the blocks that the run names."""

from popcast.models.hyfea.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
