"""Words that exports write: names of months, of time zones, of units, and of columns that count.

Comes in: a word or the name of a column. Goes out: what it means; each list names its version.
"""
