"""Commands about posts that are not out yet.

Comes in: bundles and drafts. Goes out: forecasts, reasons, a server, and what became of forecasts.
"""
