"""The command ``popcast search``. Comes in: the name of a run and a file of ranges. Goes out: a table of trials, and on
the terminal the best one as a change of params.yaml.
"""
