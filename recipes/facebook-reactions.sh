#!/usr/bin/env bash
# Shares of five reactions besides likes that posts of public pages get (facebook-pages).
# Usage: bash recipes/facebook-reactions.sh RAW_FOLDER   (in a clone, after `make setup`)
# RAW_FOLDER holds statuses_train.csv.gz and statuses_test.csv.gz. Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" facebook-reactions "$@"
