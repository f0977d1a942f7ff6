"""Micro and macro metrics of responses, intervals over topics, reference rows.

Comes in: real and generated texts with sentiments. Goes out: flat figures.
"""
