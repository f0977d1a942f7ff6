#!/usr/bin/env bash
# The rivals' own environment, benchmarks/peers/.venv: about 2 GB, some minutes.
# Usage: bash benchmarks/peers/environment.sh   (PYTHON=python3.11)
set -euo pipefail
cd "$(dirname "$0")"
"${PYTHON:-python3}" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
    echo "error: constraints.txt is of Python 3.11: PYTHON=python3.11 bash benchmarks/peers/environment.sh" >&2
    exit 1
}
[[ -x .venv/bin/python ]] || "${PYTHON:-python3}" -m venv .venv
.venv/bin/python -m pip install --quiet --requirement requirements.txt --constraint constraints.txt
.venv/bin/python -c 'import autogluon.tabular, catboost, lightgbm, polars, pytabkit, skrub'
echo "benchmarks/peers/.venv: ready"
