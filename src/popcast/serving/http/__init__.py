"""`popcast serve`: forecasts, reasons, what-ifs and observations over HTTP, for one bundle.

Comes in: requests of anybody, hostile ones too. Goes out: JSON, or one line that says what was wrong.
"""
