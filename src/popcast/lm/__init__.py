"""Causal language models, whoever uses them: folders of weights, tuning, the training frame, reading and writing.

Comes in: prompts, and records to learn from. Goes out: tuned model folders, answers and their probabilities.
"""
