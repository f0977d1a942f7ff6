"""The whole of params.yaml: checks, overlays, leftovers, the plan of every stage instance, and what runs when.

Comes in: params.yaml and the source. Goes out: one JSON per stage instance, ``data/plan/<stage>/<key>.json``.
"""
