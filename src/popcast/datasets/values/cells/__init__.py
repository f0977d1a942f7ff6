"""Single cells: numbers, times and lists as they are shown.

Comes in: the text of a cell. Goes out: its parts, and what only the whole column can decide.
"""
