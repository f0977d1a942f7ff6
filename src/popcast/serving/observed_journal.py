"""The journal of a bundle: every batch of posts and outcomes that were observed after it was fitted, one line each."""

from __future__ import annotations

from pathlib import Path

from popcast.serving.tracking.bundle_journal import BundleJournal

FILE = "observed.jsonl"
FORMAT = "popcast journal"


class ObservedJournal(BundleJournal):
    """Batches in the order in which they were observed, see :class:`BundleJournal`."""

    def __init__(self, path: Path | None, bundle: str) -> None:
        super().__init__(path, bundle, FORMAT)
