#!/usr/bin/env bash
# What all recipes of one dataset do: lay recipes/NAME.yaml over params.yaml, run the pipeline, show the leaderboard.
# Usage: bash recipes/run.sh NAME [RAW_FOLDER]   (without a folder where the recipe generates its rows)
# UNTIL=STAGE        only this stage and what it needs, such as simulate@smpd
# LAUNCH=FILE        a file for `accelerate launch`, such as recipes/accelerate/ddp.yaml: several processes tune and align
#                    the language models, and hand the result to DVC, which does the rest as usual
# An overlay is laid over the committed params.yaml. Changes of yours are kept in params.yaml.bak (.bak.1 and so on), and put
# back where the overlay is refused. Started again, a recipe goes on: what is up to date is not run, nor tuned, again.
set -euo pipefail
launch=
[[ -z ${LAUNCH:-} ]] || launch=$(realpath -m "$LAUNCH")
cd "$(dirname "$0")/.."
if [[ $# -lt 1 || $# -gt 2 ]] || { [[ $# -eq 1 ]] && grep -qw RAW "recipes/$1.yaml"; }; then
    echo "usage: bash recipes/${1:-NAME}.sh RAW_FOLDER" >&2
    exit 2
fi
if [[ ! -x .venv/bin/dvc ]]; then
    echo "error: no .venv here: run 'make setup' first" >&2
    exit 1
fi
if [[ -n $launch && ! -f $launch ]]; then
    echo "error: LAUNCH: no such file: $launch" >&2
    exit 1
fi
export PATH="$PWD/.venv/bin:$PATH"
raw=()
if [[ $# -eq 2 ]]; then
    [[ $2 = /* ]] && raw=(--raw "$2") || raw=(--raw "$OLDPWD/$2")
fi
kept=
if ! git diff --quiet HEAD -- params.yaml; then
    kept=params.yaml.bak
    for ((n = 1; ; n++)); do # never over other changes that were kept before
        [[ -e $kept ]] && ! cmp -s params.yaml "$kept" || break
        kept=params.yaml.bak.$n
    done
    cp params.yaml "$kept"
    git restore --staged --worktree params.yaml
    echo "params.yaml had changes: they are kept in $kept" >&2
fi
if ! popcast use "recipes/$1.yaml" "${raw[@]}"; then
    [[ -z $kept ]] || cp "$kept" params.yaml
    exit 1
fi
if [[ -n $launch ]]; then
    for llm in $(dvc stage list --name-only | sed -n 's/^sft@//p'); do
        for pair in base_model:sft preferences:align; do
            stage=${pair#*:}
            dvc repro "${pair%:*}@$llm"
            dvc status --quiet "$stage@$llm" && continue
            accelerate launch --config_file "$launch" -m "stages.$stage" "$llm"
            dvc commit --force "$stage@$llm"
        done
    done
fi
python scripts/repro.py ${UNTIL:+"$UNTIL"}
[[ -n ${UNTIL:-} ]] || cat metrics/leaderboard.md
