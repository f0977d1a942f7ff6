"""The one scorer: metrics, bootstrap intervals, paired differences, adversarial validation, what members add.

Comes in: posts, splits and prediction tables. Goes out: flat numbers and small tables for plots.
"""
