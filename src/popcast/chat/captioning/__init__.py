"""Captions of pictures by a chat server that sees. Comes in: posts with pictures. Goes out: a check list that a person
goes through, and of it the captions that passed.
"""
