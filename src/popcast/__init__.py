"""popcast: forecasts how popular a social media post will be.

The way of the data: raw folder -> posts -> splits -> features -> predictions -> blend -> metrics -> report.
Every arrow is one stage in ``dvc.yaml`` and one click script in ``stages/``; ``Forecaster`` goes the same way in one
process. Names below are imported when they are asked for.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {
    "Forecaster": "popcast.api.forecaster",
    "load": "popcast.api.forecaster",
    "read_posts": "popcast.api.posts_file",
    "BadPosts": "popcast.api.refusal",
}
_MODULES = {"metrics": "popcast.scoring.metrics", "splits": "popcast.splits"}

__all__ = ["BadPosts", "Forecaster", "load", "metrics", "read_posts", "splits"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return import_module(_MODULES[name])
    raise AttributeError(f"module 'popcast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
