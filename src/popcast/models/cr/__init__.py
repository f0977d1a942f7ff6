"""``cr``: CatBoost with and without the crawled profile, mixed by what is known of a post's author."""

from popcast.models.cr.predictor import Params, Predictor

__all__ = ["Params", "Predictor"]
