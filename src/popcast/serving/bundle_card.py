"""The README of a bundle: what it forecasts, what it was fitted on, how good it was, and what to mind."""

from __future__ import annotations

from popcast.serving.bundle import Contents

NAMES = {"mae": "MAE", "src": "SRC", "nmse": "nMSE", "rmse": "RMSE", "mape": "MAPE"}

TRAIN_ONLY = (
    "Posts look back at labels of the training part only (`final_fit: train`): outcomes that are observed later do not "
    "count for its models, only that the posts exist."
)


def card(contents: Contents, scores: dict[str, dict]) -> str:
    """Markdown. scores: model -> flat metrics of the scorer, the blend among them."""
    facts, of = contents.facts, scores["blend"]
    figures = ", ".join(
        f"{NAMES[name]} {of[f'test.{name}']:.4f}" for name in NAMES if of.get(f"test.{name}") is not None
    )
    members = sorted(contents.members.items(), key=lambda pair: (-pair[1].weight, pair[0]))
    lines = [
        f"# Forecasts of popularity: {contents.dataset}",
        "",
        f"Made by popcast {contents.popcast}. `popcast.load(folder).predict(posts)` forecasts new posts.",
        "",
        f"- Fitted on {facts['labelled']:,} posts with a label by {facts['authors']:,} authors"
        + (f", posted from {facts['from'][:10]} to {facts['to'][:10]} (UTC)." if facts["from"] else "."),
        f"- Forecasts popularity on the log2 scale (label transform: {contents.transform}).",
        f"- On {of['test.posts']:,} posts of the test part: {figures}.",
        "- " + _width(of.get("test.half_width"), of.get("test.coverage")),
        "- Members and weights: " + ", ".join(f"{name} {member.weight:.3f}" for name, member in members) + ".",
    ]
    if references := {name: value for name, value in facts["references"].items() if value is not None}:
        metric = NAMES[contents.metric]
        lines.append(f"- Reference rows: {metric} " + ", ".join(f"{n} {v:.4f}" for n, v in references.items()) + ".")
    lines += [f"- Left out: {name}, as {why}. The weights are those of the others." for name, why in _left_out(facts)]
    lines += [f"- {said}" for said in facts["flags"]]
    if contents.final_fit == "train":
        lines.append(f"- {TRAIN_ONLY}")
    lines += [
        "",
        "It holds ids of authors and the popularity of their posts, in plain tables, and titles of past posts in",
        "`past_posts.parquet`: it is as private as the posts.",
        "No file of it is pickled: blocks and members are JSON, parquet, safetensors and their libraries' own formats.",
        "",
    ]
    return "\n".join(lines)


def _left_out(facts: dict) -> list[tuple[str, str]]:
    return sorted(facts["left_out"].items())


def _width(half_width: float | None, coverage: float | None) -> str:
    if half_width is None:
        return "No intervals: the valid part was too small."
    measured = "" if coverage is None else f", which held {coverage:.1%} of the test labels"
    return f"Intervals of ±{half_width:.2f} on average{measured}."
