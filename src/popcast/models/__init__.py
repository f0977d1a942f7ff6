"""Predictors, one per file, all behind :class:`popcast.models.base.Predictor`."""
