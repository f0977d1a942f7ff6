"""The role of every column of an export, how sure it is, and why: :func:`guess`.

Rules. What the user says holds. Else the name decides (``name_matching``), where the values agree (``column_looks``):
a time must look like times, an outcome like numbers. A column whose name sounds like an outcome is never an input. A
column that no rule knows is left out and said so: it may be an outcome. Of several columns for the id, author or time
the better known name is taken, or the first where they tell the same posts apart; else it is an error that names the
option. The label is taken without being named only where there is a single outcome.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from popcast.core.errors import BadInput, cut, shown
from popcast.datasets.guessing.column_looks import Look, look, sampled
from popcast.datasets.guessing.guessed_layout import CATEGORIES, LEFT_OUT, ColumnGuess, Guess
from popcast.datasets.guessing.label_kind import label_kind
from popcast.datasets.guessing.name_matching import ALIKE, LIKELY, NameMatch, match
from popcast.datasets.guessing.role_choice import Choice, listed
from popcast.datasets.reading.row_table import RowTable

__all__ = ["Guess", "guess"]

SINGLE = ("label", "id", "author", "time", "tags", "media")
SEVERAL = ("text", "category", "number", "author_number", "posthoc", "leave_out")
NUMBERS = 0.9
"""Share of filled values that must read as numbers (or times) for a name to be believed."""


def guess(
    rows: RowTable,
    given: Mapping[str, str | list[str] | tuple[str, ...] | None],
    *,
    absent: Collection[str] = (),
    option: str = "--{}",
) -> Guess:
    """Roles of the columns of ``rows``.

    given: role -> column or columns, as the user says: label, id, author, time, tags, media (one each), text, category,
    number, author_number, posthoc, leave_out (several). absent: columns that the posts to predict have not: outcomes,
    whatever they are called. option: how an option is written in errors. Raises BadInput, one line, naming the option.
    """
    said = _given(given, rows.names, option)
    sample = sampled(rows.columns)
    looks = {name: look(sample[name]) for name in rows.names}
    found = {name: ColumnGuess(name, role, "given", "said so", looks[name]) for name, role in said.items()}
    _check_given(found, option)
    named: dict[str, NameMatch] = {}
    for name in rows.names:
        if name in found:
            continue
        hit = match(name)
        if left := _useless(hit, looks[name], name in absent):
            found[name] = ColumnGuess(name, LEFT_OUT, *left, looks[name])
        elif name in absent:
            role = "outcome" if looks[name].numbers >= NUMBERS else LEFT_OUT
            reason = "posts to predict do not have it"
            found[name] = ColumnGuess(name, role, "sure", reason, looks[name])
        elif hit is None:
            found[name] = ColumnGuess(name, LEFT_OUT, "doubtful", _unknown(looks[name], option), looks[name])
        else:
            named[name] = hit
            found[name] = _believed(name, hit, looks[name])
    chosen = Choice(rows, sample, found, named, option)
    chosen.single("id")
    chosen.single("author")
    chosen.time()
    chosen.texts()
    chosen.categories()
    chosen.first("tags")
    chosen.first("media")
    chosen.outcomes()
    columns = tuple(found[name] for name in rows.names)
    label = next(name for name, one in found.items() if one.role == "label")
    transform, kind = label_kind(rows.columns[label])
    return Guess(columns, (*chosen.said, kind), transform)


def _given(given: Mapping[str, Any], names: list[str], option: str) -> dict[str, str]:
    """Column -> role for what the user says. Raises BadInput for an unknown column, or one said twice."""
    roles: dict[str, str] = {}
    for role, columns in given.items():
        if role not in SINGLE + SEVERAL:
            raise BadInput(f"unknown role {shown(role)}, expected one of {', '.join(SINGLE + SEVERAL)}")
        written = option.format(role.replace("_", "-") if option.startswith("--") else role)
        columns = [columns] if isinstance(columns, str) else list(columns or ())
        if role in SINGLE and len(columns) > 1:
            raise BadInput(f"{written}: got {len(columns)} columns, expected one")
        if role == "category" and len(columns) > len(CATEGORIES):
            raise BadInput(f"{written}: got {len(columns)} columns, expected at most {len(CATEGORIES)}")
        for column in columns:
            if column not in names:
                near = difflib.get_close_matches(column, names, n=1) or names
                raise BadInput(f"{written}: no column {shown(column)}, expected {cut(listed(near), 300)}")
            if column in roles:
                raise BadInput(f"{written}: column {shown(column)} is said to be {roles[column].replace('_', ' ')} too")
            roles[column] = LEFT_OUT if role == "leave_out" else role
    return roles


def _check_given(found: dict[str, ColumnGuess], option: str) -> None:
    for name, one in found.items():
        written = option.format(one.role.replace("_", "-") if option.startswith("--") else one.role)
        if one.role in ("label", "number", "author_number", "posthoc") and one.look.numbers < 0.5:
            got = listed(one.look.samples) or "nothing"
            raise BadInput(f"{written}: column {shown(name)} holds no numbers: got {cut(got, 200)}")
        if one.role == "time" and one.look.times < 0.5:
            got = listed(one.look.samples) or "nothing"
            raise BadInput(f"{written}: column {shown(name)} does not look like times: got {cut(got, 200)}")


def _useless(hit: NameMatch | None, seen: Look, absent: bool) -> tuple[str, str] | None:
    """How sure and why a column has nothing to tell, or None."""
    if not seen.distinct:
        return "sure", "nothing in it"
    if seen.constant and not absent and (hit is None or hit.role not in ("author", "outcome", "id", "time")):
        return "sure", "the same in every row"
    return None


def _unknown(seen: Look, option: str) -> str:
    role = "number" if seen.kind == "numbers" else "text" if seen.kind == "text" else "category"
    written = option.format(role)
    if role == "number":
        return f"no known name; may be an outcome: {written} if it is known at posting"
    return f"no known name: {written} to use it"


def _believed(name: str, hit: NameMatch, seen: Look) -> ColumnGuess:
    """The role by name, or left out where the values are of another kind."""
    sure = {LIKELY: "likely", ALIKE: "likely"}.get(hit.strength, "sure")
    role, numeric = hit.role, seen.numbers >= NUMBERS
    problem = None
    if role == "time" and seen.times < NUMBERS:
        problem = "named like a time, but does not look like times"
    elif role == "outcome" and not numeric:
        problem = "named like an outcome: never an input, and no number"
    elif role in ("number", "author_number") and not numeric:
        problem = "named like a number, but holds something else"
    elif role == "text" and (numeric or seen.addresses >= 0.5):
        problem = "named like a text, but holds something else"
    elif role != "tags" and seen.objects >= 0.5:
        problem = f"named like {role}, but holds objects"
    elif role in ("text", "category", "author") and seen.lists >= 0.5:
        problem = f"named like {role}, but holds lists"
    elif role == "media" and seen.files < NUMBERS:
        problem = "named like media, but holds no names of files"
    elif role == "media" and seen.addresses > 0:
        problem = "addresses in the network, no files"
    if problem is not None:
        return ColumnGuess(name, LEFT_OUT, "likely", problem, seen)
    return ColumnGuess(name, role, sure, hit.reason, seen)
