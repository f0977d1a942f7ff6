"""MultiSmpLLM: few-shot records, prompts, the made base, tuning, preference pairs and IDPOP, scores of its tracks.

Comes in: posts and splits. Goes out: records, answers and metrics of every system of a few-shot task.
"""
