"""A search for settings of one run. Comes in: a run of params.yaml, the tables that it reads and a file of ranges.

Goes out: a folder with a table of trials, scored on the valid part alone, that goes on where it was stopped.
"""
