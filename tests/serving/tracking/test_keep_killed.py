"""A process that is killed while it keeps forecasts leaves a journal that holds all it had confirmed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from popcast.serving.tracking.bundle_journal import BundleJournal
from tests.conftest import ROOT

WRITER = """
import sys
from pathlib import Path
from popcast.serving.tracking.bundle_journal import BundleJournal
journal = BundleJournal(Path(sys.argv[1]), "a bundle", "popcast forecasts")
for number in range(100000):
    journal.append({"number": number, "rows": ["x" * 2000]})
    print(number, flush=True)
"""


def test_all_that_was_confirmed_is_there_after_a_kill(tmp_path):
    file = tmp_path / "forecasts.jsonl"
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file)], stdout=subprocess.PIPE, text=True, env=environment
    )
    said = [writer.stdout.readline() for _ in range(20)]
    time.sleep(0.01)
    writer.send_signal(signal.SIGKILL)
    said += writer.stdout.read().split("\n")
    writer.wait()
    confirmed = [int(line) for line in said if line.strip().isdigit()]
    journal = BundleJournal(file, "a bundle", "popcast forecasts")
    found = [batch["number"] for batch in journal.read()]
    assert found[: len(confirmed)] == confirmed
    assert len(found) <= len(confirmed) + 1
    journal.append({"number": -1})
    assert [batch["number"] for batch in journal.all()] == [*found, -1]


def test_two_who_append_lose_nothing_and_a_journal_that_was_taken_away_begins_anew(tmp_path):
    file = tmp_path / "forecasts.jsonl"
    one, other = (BundleJournal(file, "a bundle", "popcast forecasts") for _ in range(2))
    one.append({"number": 1})
    assert [batch["number"] for batch in other.append({"number": 2})] == [1, 2]
    assert [batch["number"] for batch in one.append({"number": 3})] == [2, 3]
    file.unlink()
    one.append({"number": 4})
    assert [batch["number"] for batch in BundleJournal(file, "a bundle", "popcast forecasts").read()] == [4]
