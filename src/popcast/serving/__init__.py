"""A fitted pipeline in one folder, and what it says about posts that nobody has seen.

Comes in: a bundle, new posts, later their outcomes. Goes out: forecasts with their intervals.

What a server calls, all of it on ``forecast.Forecast``: ``load(folder)`` and ``warm()`` once; ``contents`` says what
posts are; ``asked_posts.asked_posts(rows, contents)`` reads drafts, ``predict`` forecasts them; ``observed_posts`` and
``observe`` take in what came of them. ``predict`` may run in several threads, beside ``observe``.
"""
