"""From a raw folder of responses to canonical tables: one call for every kind.

What is wrong with a file stops with one line; what is wrong with a row is counted, and too many such rows stop too.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from popcast.core.errors import bad_input
from popcast.response.importing import (
    canonical_tables,
    ced_files,
    collector_folder,
    collector_tables,
    pseudonyms,
    topic_splits,
)
from popcast.response.importing.canonical_tables import Canonical, Labeller
from popcast.response.importing.import_report import ImportReport
from popcast.response.params import ResponseSet


def load(
    section: ResponseSet,
    raw: Path,
    key: str,
    *,
    seed: int = 0,
    label: Labeller | None = None,
    now: datetime | None = None,
    on_report: Callable[[dict], None] | None = None,
) -> Canonical:
    """The tables of ``responses.<key>``: no id and, with aliases, no name of a user is in them.

    label: classes of texts for the table ``counts``; without it there is none. now: no post is later than this
    (default: this moment). seed: of the draw that divides topics without a time. on_report: gets the counts (a dict
    for a JSON file) before the share of rejected rows is looked at, and those so far where a file is refused.

    Raises BadInput for a missing salt, a file that cannot be read as what it should be, a set without topics or
    responses, and where a format has more rejected rows than ``max_reject_share``.
    """
    names = pseudonyms.of_section(section)
    report = ImportReport(raw, names)
    now = datetime.now(UTC) if now is None else now
    try:
        if not raw.is_dir():
            raise bad_input("no such folder", file=raw, field=f"responses.{key}.raw")
        if section.kind == "ced":
            found = ced_files.read(raw, section.zone, now, names, report, label)
        else:
            gathered = collector_folder.gather(raw, section.zone, now, report)
            found = collector_tables.tables(gathered, names, label)
    except OSError as error:  # a folder that cannot be listed, a file that is gone meanwhile
        raise bad_input(error.strerror or "cannot be read", file=error.filename or raw) from None
    finally:
        if on_report is not None:
            on_report(report.as_dict())
    report.check(section.max_reject_share)
    for name in ("topics", "responses"):
        if found[name].height == 0:
            raise bad_input(f"the folder holds no {name}", file=raw, field=f"responses.{key}.raw")
    topics = found["topics"].with_columns(topic_splits.assign(found["topics"], section.shares, seed))
    return canonical_tables.checked({**found, "topics": topics}, key, report.as_dict())
