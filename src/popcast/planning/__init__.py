"""The whole of params.yaml: checks, overlays, leftovers, and the plan of every stage instance.

Comes in: params.yaml and the source. Goes out: one JSON per stage instance, ``data/plan/<stage>/<key>.json``.
"""
