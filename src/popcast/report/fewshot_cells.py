"""Numbers of a few-shot task as a reader wants them: the cells of popcast.report.fewshot_tables.

A stem is ``<set>.<shots>.<system>.<decoding>``. Empty: the system was not run there. A dash: too few valid answers.
No SRC: there are no ranks to compare, see ``UNRANKED``.
"""

from __future__ import annotations

from popcast.fewshot.track_scores import Scores
from popcast.report.pictured.told_tables import minus
from popcast.report.standard import number

NO_SRC = "no SRC"
UNRANKED = f"{NO_SRC}: the system says the same of every record there, so there are no ranks to compare."


def plural(shots: int) -> str:
    return f"{shots} shot" if shots == 1 else f"{shots} shots"


def valid(scores: Scores, stem: str) -> str:
    """Share of the written answers that are a number in range; empty for what is not written."""
    value = scores.get(f"{stem}.valid")
    return "" if value is None or stem.endswith((".expected", ".point")) else f"{100 * value:.1f} %"


def valid_leniently(scores: Scores, stem: str) -> str:
    """Share of the written answers that are any one number in range; empty for what is not written."""
    return valid(scores, f"{stem}.lenient")


def pair_leniently(scores: Scores, stem: str) -> str:
    """``MAE / SRC`` of answers that are any one number in range; empty for what is not written."""
    return "" if scores.get(f"{stem}.lenient.valid") is None else _pair(scores, f"{stem}.lenient")


def src(scores: Scores, stem: str) -> str:
    """SRC; words where predictions are constant, a dash without enough answers."""
    if scores.get(f"{stem}.mae") is None:
        return "–"
    value = scores[f"{stem}.src"]
    return NO_SRC if value is None else minus(value, 2)


def pair(scores: Scores, stem: str) -> str:
    """``MAE / SRC``; a dash where too few answers are valid, empty where the system was not run."""
    if f"{stem}.n" not in scores:
        return ""
    return _pair(scores, stem)


def _pair(scores: Scores, stem: str) -> str:
    mae = scores[f"{stem}.mae"]
    return "–" if mae is None else f"{number(mae, 3)} / {src(scores, stem)}"


def with_interval(scores: Scores, stem: str) -> str:
    if f"{stem}.n" not in scores:
        return ""
    mae, low = scores[f"{stem}.mae"], scores.get(f"{stem}.mae_low")
    if mae is None or low is None:
        return number(mae, 3)
    return f"{number(mae, 3)} ({number(low, 2)} to {number(scores[f'{stem}.mae_high'], 2)})"


def against(scores: Scores, stem: str, rival: str) -> str:
    """Difference of the MAE to ``rival`` on the records that both answer, with its p-value."""
    difference, p = scores.get(f"{stem}.vs_{rival}.difference"), scores.get(f"{stem}.vs_{rival}.p")
    if p is None:
        return ""
    shown = "< 0.01" if p < 0.01 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"
    return f"{difference:+.3f}, p {shown}".replace("-", "−")
