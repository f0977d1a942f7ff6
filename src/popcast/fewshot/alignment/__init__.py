"""Preference pairs and what learns from them: DPO, DPOP, IDPOP, RPO.

Comes in: two sampled answers per prompt. Goes out: aligned model folders and their curves.
"""
