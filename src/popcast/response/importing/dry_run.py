"""What importing a raw folder would give, without writing anything: the report of ``popcast responses check``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from popcast.core.errors import BadInput
from popcast.response.importing import pseudonyms, response_loading
from popcast.response.params import ResponseSet


def check(raw: Path, section: ResponseSet, *, key: str = "check", now: datetime | None = None) -> dict:
    """The report of an import: ``formats`` and ``examples`` as in ``import_report``, then ``tables`` and ``error``.

    tables: rows of each canonical table, None where there is an error. error: the line with which importing stops, or
    None. A missing or short salt is raised: nothing was looked at. Whoever prints this exits with 1 where ``error`` is
    not None.
    """
    pseudonyms.of_section(section)
    report: dict = {"formats": {}, "examples": []}
    tables, said = None, None
    try:
        canonical = response_loading.load(section, raw, key, now=now, on_report=report.update)
    except BadInput as error:
        said = str(error)
    else:
        names = ("topics", "responses", "users", "history")
        tables = {name: getattr(canonical, name).height for name in names}
    return {**report, "tables": tables, "error": said}
