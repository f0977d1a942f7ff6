"""Many predictions become one: weights, conformal intervals, drift correction, segments of authors.

Comes in: prediction tables of single models. Goes out: the blended prediction with lower and upper, and its weights.
"""
