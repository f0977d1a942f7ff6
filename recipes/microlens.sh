#!/usr/bin/env bash
# MicroLens-100k (microlens): titles and comment counts, published split.
# Usage: bash recipes/microlens.sh RAW_FOLDER   (in a clone, after `make setup`)
# RAW_FOLDER holds the titles and the counts (comments, pairs or a csv of counts). Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" microlens "$@"
