"""Boosted and plain trees: what the CatBoost predictors share, and trees as plain arrays.

Comes in: matrices. Goes out: fitted trees without pickle.
"""
