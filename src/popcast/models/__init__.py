"""Predictors, one per file, all behind :class:`popcast.models.contract.predictors.Predictor`."""
