"""The tables of a simulated audience in words: what was asked, and whether it adds anything to history and text.

Differences are taken from what stage ``ablation`` wrote; the sentences below the tables are worked out from them.
"""

from __future__ import annotations

from popcast.report.fewshot_tables import Table
from popcast.report.pictured.told_tables import minus
from popcast.report.standard import number

Scores = dict[str, object]
LEARNERS = {"ridge": "ridge regression", "lightgbm": "LightGBM"}
VARIANTS = ("text", "numeric", "both", "shuffled", "raw")
"""In the order of the tables; ``none`` stands above them."""
CONTROLS = {"both": "shuffled", "numeric": "raw"}
"""What a variant must beat besides ``none``, or what it adds is not what this audience said about this post."""
CONTROL_NAMES = {"shuffled": "the field of another post", "raw": "the mean raw score"}


def counts(metrics: Scores) -> Table:
    """How many posts, answers, failures and tokens; a fact that nobody counted is left out."""
    shared = f"{metrics['triggers']:,} ({share(metrics['shared_share'])} of posts share one)"
    rows = [
        ["posts", f"{metrics['posts']:,}"],
        ["posts without any text, left out", f"{metrics['posts_without_text']:,}"],
        ["trigger lines", shared],
        ["simulations, all runs", f"{metrics['simulations']:,}"],
        ["answers", f"{metrics['answers']:,}"],
        ["asked again", f"{metrics['retries']:,}"],
        ["personas without an answer", share(metrics["failure_rate"])],
        ["text fields that stayed as they were", f"{metrics['kept_fields']:,}"],
    ]
    for name in ("prompt_tokens", "output_tokens"):
        if name in metrics:
            rows.append([name.replace("_", " "), f"{metrics[name]:,}"])
    means = [minus(metrics[key], 2) for key in metrics if key.startswith("mean_attitude_epoch_")]
    rows.append(["mean attitude by epoch", ", ".join(means)])
    return Table("What was simulated", ["", ""], rows, [])


def share(value: float) -> str:
    return f"{100 * value:.1f} %"


def ablation(scores: Scores, about: Scores, learner: str) -> Table:
    """MAE and SRC of one learner per variant and epoch, and the difference to history and text alone."""
    confidence = f"{100 * about['confidence']:.0f} %"
    head = ["besides history and text", "epoch", "MAE", "SRC", "MAE against none", f"{confidence} interval", "p"]
    head += ["SRC against none", f"{confidence} interval"]
    rows = [["nothing", "", *_scores(scores, f"{learner}.none"), "", "", "", "", ""]]
    for variant in VARIANTS:
        for epoch in range(1, about["epochs"] + 1):
            stem = f"{learner}.{variant}.{epoch}"
            mae, src = (_difference(scores, f"{stem}.vs_none.{prefix}") for prefix in ("", "src_"))
            rows.append(
                [about["variants"][variant].removeprefix("and "), str(epoch), *_scores(scores, stem), *mae, *src[:2]]
            )
    return Table(f"Does it add anything? {LEARNERS.get(learner, learner)}", head, rows, [])


def _scores(scores: Scores, stem: str) -> list[str]:
    src = scores.get(f"{stem}.src")
    return [number(scores.get(f"{stem}.mae"), 4), "–" if src is None else minus(src)]


def _difference(scores: Scores, stem: str) -> list[str]:
    value, low, high, p = (scores.get(f"{stem}{name}") for name in ("difference", "low", "high", "p"))
    if value is None:
        return ["–"] * 3
    bounds = "–" if low is None else f"{signed(low, 4)} to {signed(high, 4)}"
    shown = "–" if p is None else "< 0.01" if p < 0.01 else f"{p:.2f}"
    return [signed(value, 4), bounds, shown]


def signed(value: float, places: int) -> str:
    """With its sign; without one where it rounds to zero."""
    text = f"{value:+.{places}f}"
    return f"{0:.{places}f}" if float(text) == 0 else text.replace("-", "−")


def verdict(scores: Scores, about: Scores) -> list[str]:
    """Sentences that say whether the audience lowers the MAE, and whether by what it said about the very post.

    Among all comparisons with ``none`` (controls aside) those count whose p-values stand out at a false discovery rate
    of 1 minus the confidence (Benjamini and Hochberg 1995).
    """
    rate = 1 - about["confidence"]
    cells = [
        (learner, variant, epoch)
        for learner in about["learners"]
        for variant in VARIANTS
        if variant not in CONTROLS.values()
        for epoch in range(1, about["epochs"] + 1)
    ]
    compared = [cell for cell in cells if scores.get(f"{_stem(cell)}.vs_none.p") is not None]
    said = [_made_of(about)]
    if not compared:
        return [*said, "Too few authors for intervals: nothing can be said about what the audience adds."]
    found = discoveries({cell: scores[f"{_stem(cell)}.vs_none.p"] for cell in compared}, rate)
    lower = [cell for cell in found if scores[f"{_stem(cell)}.vs_none.difference"] < 0]
    higher = [cell for cell in found if cell not in lower]
    among = f"of {len(compared)} comparisons (false discovery rate {100 * rate:.0f} %)"
    if not lower:
        alone = sum(scores[f"{_stem(cell)}.vs_none.high"] < 0 for cell in compared)
        said.append(
            f"The simulated audience adds nothing to history and text that can be told from chance: a lower MAE stands "
            f"out in none {among}. The interval by itself is below zero in {alone}, where chance gives about "
            f"{rate / 2 * len(compared):.1f}."
        )
    else:
        said.append(
            f"The MAE is lower with the audience in {len(lower)} {among}, at most by {_largest(scores, lower)}."
        )
        said.append(_against_controls(scores, lower))
    if higher:
        said.append(
            f"The MAE is higher with the audience in {len(higher)} {among}, by up to {_largest(scores, higher)}."
        )
    return said


def discoveries(p: dict[tuple[str, str, int], float], rate: float) -> list[tuple[str, str, int]]:
    """Comparisons that stand out at a false discovery rate, by Benjamini and Hochberg's step-up rule."""
    ranked = sorted(p, key=lambda cell: (p[cell], cell))
    passing = [rank for rank, cell in enumerate(ranked, 1) if p[cell] <= rate * rank / len(ranked)]
    return ranked[: max(passing, default=0)]


def _largest(scores: Scores, cells: list[tuple[str, str, int]]) -> str:
    most = max(cells, key=lambda cell: (abs(scores[f"{_stem(cell)}.vs_none.difference"]), cell))
    learner, variant, epoch = most
    change = abs(scores[f"{_stem(most)}.vs_none.difference"])
    return f"{change:.4f} ({variant}, epoch {epoch}, {LEARNERS.get(learner, learner)})"


def _against_controls(scores: Scores, lower: list[tuple[str, str, int]]) -> str:
    tested = [cell for cell in lower if cell[1] in CONTROLS]
    if not tested:
        return "None of these has a control, so it may be the additional columns and not what the audience said."
    better = [cell for cell in tested if (scores.get(f"{_stem(cell)}.vs_{CONTROLS[cell[1]]}.high") or 0) < 0]
    names = ", ".join(CONTROL_NAMES[control] for control in dict.fromkeys(CONTROLS[cell[1]] for cell in tested))
    start = f"Of these, {len(tested)} have a control ({names}) and {len(better)} have a lower MAE than it beyond chance"
    return f"{start}." if better else f"{start}: what helps is not what the audience said about the post."


def _stem(cell: tuple[str, str, int]) -> str:
    return ".".join(map(str, cell))


def _made_of(about: Scores) -> str:
    posts = about["posts"]
    return (
        f"Learned on {posts['train']:,} posts, chosen on {posts['valid']:,}, scored on {posts['test']:,} of "
        f"{about['authors']:,} authors; means over {about['runs']} runs of the simulation with other seeds; intervals "
        f"by a bootstrap over {about['drawn']}, p of one comparison among many."
    )


def sensitivity(scores: Scores) -> Table:
    """How the final mean attitude moves with the rules, for the same answers; no row where nothing was computed."""
    names = [key.split(".")[1] for key in scores if key.startswith("sensitivity.") and key.endswith(".mean")]
    rows = []
    for name in sorted(names, key=lambda name: (name != "in_use", name)):
        mean, shift, rank = (scores.get(f"sensitivity.{name}.{part}") for part in ("mean", "shift", "rank_correlation"))
        cells = [minus(mean, 3), "" if name == "in_use" else signed(shift, 3)]
        rows.append([_setting(name), *cells, "–" if rank is None else minus(rank)])
    head = ["rule changed", "mean attitude at the end", "change", "rank correlation with the rules in use"]
    return Table("The same answers under other rules", head, rows, ["Nobody was asked again for this table."])


def _setting(name: str) -> str:
    """``core_weight_0_5`` -> ``core weight 0.5``."""
    words = name.split("_")
    digits = [word for word in words if word.isdigit()]
    kept = [word for word in words if not word.isdigit()]
    return " ".join([*kept, ".".join(digits)] if digits else kept)
