"""Shares of reactions that a post will get, learned from counts.

Comes in: posts of a dataset or topics of a set of responses, their feature blocks, and counts of reactions of each
class. Goes out: a share per class and post, models without pickles, scores beside reference rows.
"""
