"""Texts of JSON objects: arrays, lines, and objects that hold an array.

Comes in: a text file and its encoding. Goes out: the fields of its objects as columns of text or lists, by dotted
names, and the rows that are no objects.
"""
