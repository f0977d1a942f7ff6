"""The command that searches for settings: a dataset, a run and a file of ranges come in, a table of trials goes out.
What it prints is the best trial as a change of params.yaml.
"""
