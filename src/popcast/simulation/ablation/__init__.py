"""Whether a simulated audience adds anything to history and text.

Comes in: fields and feature blocks. Goes out: paired errors of every variant, with intervals.
"""
