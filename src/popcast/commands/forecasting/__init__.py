"""Commands about posts that are not out yet. Comes in: bundle and drafts. Goes out: forecasts, what came of them."""
