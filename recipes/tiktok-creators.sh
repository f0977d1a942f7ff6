#!/usr/bin/env bash
# Newest videos of creators (tiktok-creators): all counts read on one day, so exposure time matters.
# Usage: bash recipes/tiktok-creators.sh RAW_FOLDER   (in a clone, after `make setup`)
# RAW_FOLDER holds videos_train.csv.gz and videos_test.csv.gz. Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" tiktok-creators "$@"
