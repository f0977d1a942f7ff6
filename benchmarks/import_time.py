"""How long popcast takes to start: ratios to a bare Python and to ``import polars``, alternately in one run.

    python benchmarks/import_time.py [REPEATS]

Every start is a process of its own; the median of REPEATS (default 9) counts. Files are warm: one round goes before.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

STARTS = {
    "python": "pass",
    "import polars": "import polars",
    "import popcast": "import popcast",
    "import popcast.core.tables": "import popcast.core.tables",
    "import popcast.datasets.table": "import popcast.datasets.table",
    "popcast.Forecaster": "import popcast; popcast.Forecaster",
    "popcast --help": "import sys; sys.argv = ['popcast', '--help']; from popcast.cli import main; main()",
    "a checked table": (
        "import polars as pl; from popcast.core import tables; "
        "tables.check(pl.DataFrame({'post_id': ['a']}), tables.FEATURES, 'x')"
    ),
    "import pandera.polars": "import pandera.polars",
}


def seconds(code: str) -> float:
    """Wall clock of a fresh process."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main(repeats: int) -> None:
    rounds = [{name: seconds(code) for name, code in STARTS.items()} for _ in range(repeats + 1)][1:]
    median = {name: statistics.median(row[name] for row in rounds) for name in STARTS}
    print(f"{'start':32} {'s':>6} {'/ python':>9} {'/ polars':>9}")
    for name, value in median.items():
        print(f"{name:32} {value:6.3f} {value / median['python']:9.1f} {value / median['import polars']:9.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
