"""The page of forecasts: what `popcast serve` shows, and one draft's forecast as a file that needs no server.

Comes in: the answers of the server, or those about one draft. Goes out: HTML, and the script and style that it needs.
"""
