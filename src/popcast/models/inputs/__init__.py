"""From the wide feature frame to numbers: matrix, dense inputs of networks, pooled frames, learned posts, text scores.

Comes in: posts and features, row by row. Goes out: arrays.
"""
