"""What people read: leaderboard, summary and report page, one chapter per file.

Comes in: metrics, plots and quality counts. Goes out: markdown, JSON and HTML that opens without network.
"""
