"""From raw files to the table of posts: one reader per layout, all behind :func:`popcast.datasets.loading.load`.

Comes in: somebody's raw folder. Goes out: checked posts, and what was rejected or repaired, counted by reason.
"""
