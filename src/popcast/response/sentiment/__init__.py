"""Labellers of sentiment: the same one reads real and generated text.

Comes in: texts. Goes out: negative, neutral or positive, with the labeller's version.
"""
