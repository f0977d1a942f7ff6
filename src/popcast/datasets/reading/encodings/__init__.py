"""The encoding of a text file, found in its bytes or checked against them.

Comes in: a file and, it may be, the name of an encoding. Goes out: the name of the one that it is read in.
"""
