"""The tables of responses in words: single users, the public, what differs, what was read; shares of reactions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from popcast.report.fewshot_tables import Table
from popcast.report.pictured.told_tables import minus

Scores = dict[str, Any]
REFERENCES = {
    "uniform": "all classes alike",
    "prior": "shares of all training responses",
    "history": "the users' own earlier posts",
    "copy": "a training response to the nearest news",
}
FLOOR = "two halves of the real responses"
TEXTS = {
    "rouge_l": "ROUGE-L", "bleu_2": "BLEU-2", "chrf": "chrF", "length_ratio": "length ratio", "copy_rate": "copied",
    "empty": "empty", "distinct_1": "distinct-1",
}  # fmt: skip
FEELINGS = {
    "accuracy": "accuracy", "macro_f1": "macro-F1", "weighted_f1": "weighted F1", "kappa": "kappa",
    "polarity_mae": "MAE of polarity",
}  # fmt: skip
MACRO = {
    "jsd": "JSD", "tv": "TV", "wasserstein": "Wasserstein", "kl": "KL", "dominant_hit": "dominant class",
    "net_error": "net error", "net_pearson": "net, Pearson",
}  # fmt: skip
SUMMARY = ("micro.rouge_l", "micro.accuracy", "micro.macro_f1", "macro.jsd")
COMPARED = {"micro.rouge_l": "ROUGE-L", "micro.accuracy": "accuracy", "micro.macro_f1": "macro-F1", "macro.jsd": "JSD"}
SHARE_ROWS = {
    "model": "the model", "author": "the author's own mean shares", "prior": "mean shares of training",
    "uniform": "all alike", "audience": "the simulated audience's mix",
}  # fmt: skip
WITH_INTERVAL = {"rouge_l", "accuracy", "macro_f1", "jsd"}


def introduction(about: Scores, scores: Scores) -> str:
    """What was asked, and what the labels are."""
    agreed = about["words_against_emoticons"]
    text = (
        "Each case is a user and a piece of news: systems are told what the user wrote before and write a response. "
        f"Test part: {_count(scores.get('test.cases'))} cases under {_count(scores.get('test.topics'))} topics that no "
        f"model has seen. Sentiments are pseudo-labels by {about['labeller']}, the same for real and written texts."
    )
    if agreed["n"]:
        text += (
            f" On {agreed['n']:,} training texts with emoticons, the words without them give the emoticons' class in "
            f"{100 * agreed['accuracy']:.0f} % (macro-F1 {agreed['macro_f1']:.2f})."
        )
    return text


def rows_of(about: Scores, scores: Scores) -> list[str]:
    """Systems and reference rows that have figures, in the order of the tables."""
    names = [*about["order"], *REFERENCES]
    return [name for name in names if any(key.startswith(f"test.{name}.") for key in scores)]


def tables_of(about: Scores, scores: Scores, read: Scores) -> list[Table]:
    """All tables of a set of responses; an empty one is left out."""
    confidence = f"{100 * about['confidence']:.0f} %"
    found = [
        _metrics("Single users (micro): texts", about, scores, "micro", TEXTS, confidence),
        _metrics("Single users (micro): sentiments", about, scores, "micro", FEELINGS, confidence),
        _metrics("The public (macro), per topic", about, scores, "macro", MACRO, confidence),
        _differences(about, scores, confidence),
        _read(read),
    ]
    return [table for table in found if table.rows]


def _metrics(title: str, about: Scores, scores: Scores, part: str, names: dict[str, str], confidence: str) -> Table:
    head = ["system"]
    for key, name in names.items():
        head += [name, f"{confidence} interval"] if key in WITH_INTERVAL else [name]
    rows = []
    for system in rows_of(about, scores):
        cells = [_name(about, system)]
        for key in names:
            stem = f"test.{system}.{part}.{key}"
            cells.append(_number(scores.get(stem)))
            cells += [_interval(scores, stem)] if key in WITH_INTERVAL else []
        if any(cell not in ("–", cells[0]) for cell in cells):
            rows.append(cells)
    notes = []
    if part == "macro":
        floor = {key: scores.get(f"test.noise_floor.macro.{key}") for key in names}
        if floor["jsd"] is not None:
            cells = [FLOOR]
            for key in names:
                cells += [_number(floor[key])] + (["–"] if key in WITH_INTERVAL else [])
            rows.append(cells)
        source = "counts of all responses" if about["counted"] else "labels of the cases"
        notes.append(
            f"{_count(scores.get('test.topics_judged'))} topics of {about['least_cases']} labelled responses or more; "
            f"real shares: {source}. Lower is better but for dominant class and Pearson. Last row: noise floor."
        )
    unit = scores.get("test.drawn")
    notes.append(f"Intervals: bootstrap over {unit}." if unit else "No intervals: too few topics and cases.")
    return Table(title, head, rows, notes)


def _differences(about: Scores, scores: Scores, confidence: str) -> Table:
    """Paired differences, first minus second, on the same resamples."""
    rows = []
    for stem, first, second in _pairs(scores):
        for key, name in COMPARED.items():
            value, low, high, p = (scores.get(f"{stem}.{key}.{what}") for what in ("difference", "low", "high", "p"))
            if value is None or low is None:
                continue
            shown = "< 0.01" if p < 0.01 else f"{p:.2f}"
            bounds = f"{_signed(low)} to {_signed(high)}"
            rows.append([f"{_name(about, first)} – {_name(about, second)}", name, _signed(value), bounds, shown])
    notes = ["An interval that holds 0 shows nothing. Of JSD less is better, of the others more."]
    return Table(
        "What differs", ["first minus second", "metric", "difference", f"{confidence} interval", "p"], rows, notes
    )


def _pairs(scores: Scores) -> Iterator[tuple[str, str, str]]:
    stems = dict.fromkeys(key.split(".micro.")[0].split(".macro.")[0] for key in scores if ".vs_" in key)
    for stem in stems:
        split, first, second = stem.split(".")[:3]
        if split == "test":
            yield stem, first, second.removeprefix("vs_")


def _read(read: Scores) -> Table:
    """What was read, kept and rejected by format; cases and why others were left out."""
    rows = []
    for name, of in read["import"]["formats"].items():
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in of["rejected"].items()) or "–"
        rows.append([name, f"{of['read']:,}", f"{of['kept']:,}", reasons])
    cases = read["cases"]
    left = ", ".join(f"{reason} {count:,}" for reason, count in cases["skipped"].items() if count) or "–"
    rows.append(["cases", f"{cases['posts']:,}", f"{cases['cases']['all']:,}", left])
    return Table("What was read", ["", "read", "kept", "left out, by reason"], rows, [])


def share_introduction(about: Scores) -> str:
    classes = ", ".join(about["classes"])
    return (
        f"Shares of {classes} among the reactions to a {'topic' if about['of'] == 'topics' else 'post'}, learned from "
        f"counts. Scored: those with at least {about['least']} reactions."
    )


def share_tables(about: Scores, scores: Scores) -> list[Table]:
    """Rows of the test and valid part, and the differences of the model to each reference."""
    confidence = f"{100 * about['confidence']:.0f} %"
    found = []
    for split in ("test", "valid"):
        rows = []
        for row, name in SHARE_ROWS.items():
            stem = f"{split}.{row}"
            if scores.get(f"{stem}.jsd") is None:
                continue
            against = f"{split}.model.vs_{row}"
            value, low, high = (scores.get(f"{against}.{what}") for what in ("difference", "low", "high"))
            bounds = "–" if low is None else f"{_signed(value)} ({_signed(low)} to {_signed(high)})"
            others = (_number(scores.get(f"{stem}.{metric}")) for metric in ("tv", "dominant", "log_loss"))
            rows.append([name, _number(scores[f"{stem}.jsd"]), _interval(scores, f"{stem}.jsd"), *others, bounds])
        head = ["", "JSD", f"{confidence} interval", "TV", "dominant class", "log-loss", "model minus this (JSD)"]
        posts = _count(scores.get(f"{split}.posts"))
        if rows:
            found.append(
                Table(f"Shares, {split} part", head, rows, [f"{posts} scored. Lower is better but for dominant class."])
            )
    return found


def _name(about: Scores, system: str) -> str:
    known = about["systems"].get(system)
    if known is None:
        return REFERENCES.get(system, system)
    words = {"base": "untuned base", "pac": "PAC-LoRA", "lora": "LoRA"}[known["method"]]
    variant = "" if known["variant"] == "full" else f", {known['variant'].replace('_', ' ')}"
    return f"{system} ({words}{variant})"


def _count(value: int | None) -> str:
    return "no" if not value else f"{value:,}"


def _number(value: float | None) -> str:
    return "–" if value is None else minus(value)


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _interval(scores: Scores, stem: str) -> str:
    low, high = scores.get(f"{stem}_low"), scores.get(f"{stem}_high")
    return "–" if low is None else f"{minus(low)} to {minus(high)}"
