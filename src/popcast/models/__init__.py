"""Predictors, a folder each, all behind :class:`popcast.models.contract.predictors.Predictor`.

Comes in: posts, feature tables and a run of params.yaml. Goes out: predictions and saved models.
"""
