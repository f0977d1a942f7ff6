"""Texts of fields between delimiters: csv, tsv, txt.

Comes in: a text file and its encoding. Goes out: its rows as columns of text, and those that are short or long.
"""
