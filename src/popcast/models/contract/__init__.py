"""What predictors share: their contract, one run of a predictor, out-of-fold fits, stopping windows.

Comes in: a run, posts, features. Goes out: prediction tables and saved models.
"""
