#!/usr/bin/env bash
# What all recipes of one dataset do: lay recipes/NAME.yaml over params.yaml, run the pipeline, show the leaderboard.
# Usage: bash recipes/run.sh NAME [RAW_FOLDER]   (without a folder where the recipe generates its rows)
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ $# -lt 1 || $# -gt 2 ]] || { [[ $# -eq 1 ]] && grep -qw RAW "recipes/$1.yaml"; }; then
    echo "usage: bash recipes/${1:-NAME}.sh RAW_FOLDER" >&2
    exit 2
fi
if [[ ! -x .venv/bin/dvc ]]; then
    echo "error: no .venv here: run 'make setup' first" >&2
    exit 1
fi
export PATH="$PWD/.venv/bin:$PATH"
raw=()
if [[ $# -eq 2 ]]; then
    [[ $2 = /* ]] && raw=(--raw "$2") || raw=(--raw "$OLDPWD/$2")
fi
if ! git diff --quiet HEAD -- params.yaml; then # an overlay is laid over the committed numbers, not over another one
    cp params.yaml params.yaml.bak
    git restore --staged --worktree params.yaml
    echo "params.yaml had changes: they are kept in params.yaml.bak" >&2
fi
popcast use "recipes/$1.yaml" "${raw[@]}"
python scripts/repro.py
cat metrics/leaderboard.md
