#!/usr/bin/env bash
# MMRA and its baselines on MicroLens-100k titles, published split and protocol: learn train, stop on valid, predict test.
# Usage: bash recipes/microlens-published.sh RAW_FOLDER   (in a clone, after `make setup`; about an hour on two cores)
# Rows of models with several seeds show mean and sd. No row enters a blend. recipes/microlens.sh aims at the best figure.
exec bash "$(dirname "$0")/run.sh" microlens-published "$@"
