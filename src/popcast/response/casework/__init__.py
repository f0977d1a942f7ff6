"""From responses and histories to cases: who answers which news, seen by nobody before.

Comes in: the canonical tables. Goes out: cases with the history posts that were found for each.
"""
