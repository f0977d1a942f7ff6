"""Longer commands of ``popcast``, a file each.

Comes in: what a user types, and the user's files. Goes out: lines on the terminal, and the files that were asked for.
"""
