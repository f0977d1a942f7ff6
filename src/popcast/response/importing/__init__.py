"""Readers of what collectors of responses write, and of ced-weibo.

Comes in: a raw folder. Goes out: the canonical tables, and a report of what was kept and rejected.
"""
