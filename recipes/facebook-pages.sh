#!/usr/bin/env bash
# Posts of public pages (facebook-pages): page history, words, and what words mean on each page.
# Usage: bash recipes/facebook-pages.sh RAW_FOLDER   (in a clone, after `make setup`)
# RAW_FOLDER holds statuses_train.csv.gz and statuses_test.csv.gz. Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" facebook-pages "$@"
