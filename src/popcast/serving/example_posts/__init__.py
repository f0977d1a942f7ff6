"""Single posts of the test part with what was forecast for them, what they got, and why: best, typical and worst.

Comes in: a bundle, models that learned the training part only, posts with their features. Goes out: ``examples.json``.
"""
