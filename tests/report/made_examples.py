"""``examples.json`` as the stage ``bundle`` writes it, made up."""

from __future__ import annotations

from typing import Any

KINDS = ("best", "typical", "worst")


def examples(name: str, long: str, counts: bool = True) -> dict[str, Any]:
    """Two posts of each kind; the first by the author ``name`` with the title ``name``, the second all ``long``."""
    found = [_post(kind, one, place, counts) for kind in KINDS for place, one in enumerate((name, long))]
    return {"version": 1, "part": "test", "posts": 120, "examples": found}


def _post(kind: str, name: str, place: int, counts: bool) -> dict[str, Any]:
    values = {"prediction": 5.0 + place, "lower": 3.0 if place == 0 else None, "upper": 7.5 if place == 0 else None}
    values["outcome"] = 5.25 + KINDS.index(kind)
    if counts:
        values |= {f"{key}_count": None if value is None else 2.0**value - 1 for key, value in values.items()}
    shares = [("author_past", "the author's past", 0.75), ("text", "text", -0.5), ("time", "time", 0.001)]
    contributions = [
        {"key": key, "name": words, "value": value, "factor": 2.0**value if counts else None}
        for key, words, value in shares
    ]
    similar = {"id": "1", "author": None, "posted_at": None, "title": None if place else name, "similarity": 0.8,
               "popularity": 4.5, "count": 21.6 if counts else None}  # fmt: skip
    reasons = {"id": f"{kind}{place}", "prediction": values["prediction"], "baseline": 4.749 + place,
               "contributions": contributions, "words": [], "similar": [similar], "said": []}  # fmt: skip
    about = {"posted_at": "2016-02-14T11:48:23+00:00" if place == 0 else None, "tags": [name] * 3 if place else []}
    return {"kind": kind, "id": f"{kind}{place}", "author": name, "title": name, "category": None, **about, **values,
            "reasons": reasons}  # fmt: skip
