"""What the micro-video predictors (``mmra`` and its baselines) share.

Comes in: frames and titles. Goes out: padded arrays and network predictors.
"""
