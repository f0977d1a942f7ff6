"""Widths that follow the post: how far the outcome may lie from the blend's prediction, post by post.

Comes in: held-out residuals of the blend, and what says how sure one can be (history, spread of the members, time).
Goes out: calibrated quantiles of each post's outcome, and with them intervals and chances.
"""
