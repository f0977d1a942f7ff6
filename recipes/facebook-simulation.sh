#!/usr/bin/env bash
# A simulated audience before 2,000 posts of public pages, and what its mean field adds (PopSim's ablation).
# Usage: bash recipes/facebook-simulation.sh RAW_FOLDER   (in a clone, after `make setup`)
# RAW_FOLDER holds statuses_train.csv.gz and statuses_test.csv.gz. Nothing is copied into the project.
# The table is in metrics/leaderboard.md, the page that steps through single posts in reports/simulation.html.
exec bash "$(dirname "$0")/run.sh" facebook-simulation "$@"
