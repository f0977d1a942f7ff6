"""What a forecast tells beyond three numbers: quantiles, the author's own past, the chance of beating a number.

Comes in: a bundle and prepared posts. Goes out: one plain dict per post, as JSON has it.
"""
