#!/usr/bin/env bash
# MultiSmpLLM with Llama 3 8B on real SMPD, every param of the paper's setting named in llama3-8b.yaml.
# Usage: bash recipes/llama3-8b.sh RAW_FOLDER   (in a clone, after `make setup` and `hf auth login`; one GPU)
# Several GPUs: LAUNCH=recipes/accelerate/ddp.yaml bash recipes/llama3-8b.sh RAW_FOLDER
#   trains sft and align through `accelerate launch` (fsdp.yaml, zero3.yaml: weights in shards) and hands the result to
#   DVC, which does the rest as usual. Number of GPUs: num_processes in the file; it must divide batch_size / accumulation.
# RAW_FOLDER holds the official files of SMPD. Nothing is copied into the project.
set -euo pipefail
here="$(dirname "$0")"
if [[ -z ${LAUNCH:-} ]]; then
    exec bash "$here/run.sh" llama3-8b "$@"
fi
if [[ $# -ne 1 ]]; then
    echo "usage: LAUNCH=recipes/accelerate/ddp.yaml bash recipes/llama3-8b.sh RAW_FOLDER" >&2
    exit 2
fi
raw="$(realpath "$1")"
launch="$(realpath "$LAUNCH")"
cd "$here/.."
export PATH="$PWD/.venv/bin:$PATH"
popcast use recipes/llama3-8b.yaml --raw "$raw"
trained() { # by all GPUs; DVC takes over what the stage wrote
    accelerate launch --config_file "$launch" -m "stages.$1" smpd
    dvc commit --force "$1@smpd"
}
dvc repro base_model@smpd
trained sft
dvc repro preferences@smpd
trained align
dvc repro
cat metrics/leaderboard.md
