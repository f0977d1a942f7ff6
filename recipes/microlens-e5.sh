#!/usr/bin/env bash
# MicroLens-100k (microlens): titles through two sentence encoders, MiniLM and multilingual-e5-small (4-bit weights,
# dequantised).
# Usage: bash recipes/microlens-e5.sh RAW_FOLDER   (in a clone, after `make setup` and `make pretrained`)
# RAW_FOLDER holds the titles and the counts (comments, pairs or a csv of counts). Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" microlens-e5 "$@"
