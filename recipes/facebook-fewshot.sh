#!/usr/bin/env bash
# MultiSmpLLM on posts of 145 public pages (facebook-pages): 20 pages per draw, 3 shots, with a language model made from the
# posts of all other pages. The table of the few-shot task is at the end of metrics/leaderboard.md.
# Usage: bash recipes/facebook-fewshot.sh RAW_FOLDER   (in a clone, after `make setup`)
# RAW_FOLDER holds statuses_train.csv.gz and statuses_test.csv.gz. Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" facebook-fewshot "$@"
