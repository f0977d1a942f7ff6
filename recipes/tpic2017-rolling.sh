#!/usr/bin/env bash
# The published protocol of TPIC2017 (DTCN, IJCAI 2017): posts in time order in 14 parts, train on 9, test on the next,
# five origins. Each origin is one `dvc exp run`; the table at the end averages them. The workspace is put back.
# Usage: bash recipes/tpic2017-rolling.sh   (in a clone with a finished `make repro` and nothing uncommitted)
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
if ! git diff --quiet HEAD; then
    echo "error: uncommitted changes: commit them first, the experiments change params.yaml and dvc.lock" >&2
    exit 1
fi
mkdir -p .scratch
results=$(mktemp -d .scratch/rolling-XXXXXX)
restore() {
    git restore --quiet params.yaml dvc.lock metrics
    dvc checkout --quiet --force
    rm -rf "$results"
}
trap restore EXIT
for origin in 0 1 2 3 4; do
    dvc exp run --name "tpic2017-origin-$origin" --force \
        --set-param splits.tpic2017.method=rolling_origin --set-param "++splits.tpic2017.origin=$origin" \
        evaluate@tpic2017
    cp -r metrics/runs/tpic2017 "$results/$origin"
done
python - "$results" <<'PYTHON'
import json
import statistics
import sys
from pathlib import Path

folders = sorted(Path(sys.argv[1]).iterdir())
print(f"{'model':16} {'MAE':>16} {'MSE':>16} {'SRC':>16}   mean and sd of {len(folders)} origins")
for file in sorted(folders[0].glob("*.json")):
    rows = [json.loads((folder / file.name).read_text()) for folder in folders]
    cells = []
    for value in (lambda r: r["test.mae"], lambda r: r["test.rmse"] ** 2, lambda r: r["test.src"]):
        values = [value(row) for row in rows]
        known = None not in values
        cells.append(f"{statistics.mean(values):8.3f} ±{statistics.stdev(values):6.3f}" if known else "-")
    print(f"{file.stem:16} " + " ".join(f"{cell:>16}" for cell in cells))
PYTHON
