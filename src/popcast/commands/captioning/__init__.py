"""The command ``popcast caption``. Comes in: the name of a dataset and a chat server. Goes out: a check list of
captions, and what a person passed of it as the csv that ``datasets.<name>.captions`` names.
"""
