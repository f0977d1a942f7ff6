"""A search for settings of one run: from the run of params.yaml and a file of ranges to trials that are scored on the
valid part alone. Out comes a table of trials, which grows trial by trial and goes on where it was stopped.
"""
