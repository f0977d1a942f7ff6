"""What became of forecasts, as a chapter of the report and as a page of its own.

Comes in: what ``track.json`` or ``popcast track`` says. Goes out: HTML with pictures, without script.
"""
