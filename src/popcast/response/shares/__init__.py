"""Shares of reactions that a post will get, learned from counts.

Comes in: posts with counts of reactions. Goes out: a share per class and post, beside reference rows.
"""
