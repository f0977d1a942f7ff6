"""The one training loop of networks, what network predictors share, and checkpoints.

Comes in: modules and arrays. Goes out: trained weights and their history.
"""
