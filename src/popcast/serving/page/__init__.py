"""The page of forecasts: what `popcast serve` shows, and one draft's forecast as a file that needs no server.

Comes in: the answers of the server, or those about one draft. Goes out: HTML, and the script and style that it needs.
"""

from popcast.serving.page.forecast_page import page_html, static_files

__all__ = ["page_html", "static_files"]
