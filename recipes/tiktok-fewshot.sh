#!/usr/bin/env bash
# MultiSmpLLM on the newest videos of creators (tiktok-creators): 200 creators per draw, 3 shots, with a language model made
# from the videos of all others. The table of the few-shot task is at the end of metrics/leaderboard.md.
# Usage: bash recipes/tiktok-fewshot.sh RAW_FOLDER   (in a clone, after `make setup`)
# RAW_FOLDER holds videos_train.csv.gz and videos_test.csv.gz. Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" tiktok-fewshot "$@"
