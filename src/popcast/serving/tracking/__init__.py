"""Afterwards: were the forecasts right, do posts look as those that were learned from, is it time to refit?

Comes in: forecasts that were kept, and outcomes. Goes out: errors, coverage, drift of inputs and of residuals, a
verdict, and how wide the next intervals have to be.
"""
