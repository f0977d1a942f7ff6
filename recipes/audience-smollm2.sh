#!/usr/bin/env bash
# A small audience answered by a real language model before 200 posts of public pages, the same audience answered by rules,
# and what a prediction agent makes of either. The model is SmolLM2-135M-Instruct (4-bit weights, dequantised): run
# `make pretrained` first. One core answers about five questions a second; a run that is stopped goes on where it was when
# started again.
# Usage: bash recipes/audience-smollm2.sh RAW_FOLDER   (in a clone, after `make setup` and `make pretrained`)
# RAW_FOLDER holds statuses_train.csv.gz. Nothing is copied into the project. Both ablations are in metrics/leaderboard.md.
exec bash "$(dirname "$0")/run.sh" audience-smollm2 "$@"
