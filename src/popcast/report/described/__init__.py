"""What the data of a dataset look like, before any model. Comes in: its table of posts with their parts. Goes out:
tables and pictures of authors, categories, times and labels, as csv and PNG.
"""
