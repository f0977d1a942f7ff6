"""The report as one HTML page: menu, chapters, tables that sort and can be taken away, pictures, single posts.

Comes in: what the chapters of the report collected. Goes out: a page that opens without network or server.
"""
