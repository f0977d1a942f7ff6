"""A fitted pipeline in one folder, and what it says about posts that nobody has seen.

Comes in: a bundle, new posts. Goes out: forecasts with their intervals.
"""
