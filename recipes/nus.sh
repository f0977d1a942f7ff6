#!/usr/bin/env bash
# NUS (Vine) on generated rows: four frames per video, published split seeds. No score of it says anything about Vine.
# Usage: bash recipes/nus.sh   (in a clone, after `make setup`)
# For real videos see the first lines of recipes/nus.yaml.
exec bash "$(dirname "$0")/run.sh" nus
