"""popcast as a library: the pipeline in one process, without DVC and without a project folder.

Comes in: posts as a file, a DataFrame or a list. Goes out: a fitted forecaster.
"""
