"""PopSim: a simulated audience on a social graph reacts to posts before anybody else does (sheet popsim.md).

Comes in: posts without labels, and a population. Goes out: reactions, mean fields as feature blocks, and an ablation.
"""
