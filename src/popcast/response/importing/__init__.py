"""Readers of what collectors of responses write (``collector_folder`` says how a raw folder looks), and of ced-weibo.

Comes in: a raw folder. Goes out: the canonical tables, and a report of what was kept and rejected.
"""
