"""Regions of a prompt's tokens: which gate reads them (socialalign.md 6)."""

OTHER, USER, NEWS = 0, 1, 2
"""Task, chat marks behind it, answer and padding; who writes; what is written about."""
