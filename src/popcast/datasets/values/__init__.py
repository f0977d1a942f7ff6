"""What the cells of a user's table say: numbers as pages show them, times, lists, ids, and words for missing.

Comes in: columns of text or typed columns of a RowTable. Goes out: numbers, UTC times, lists and ids, and which rows
could not be read, why and where.
"""
