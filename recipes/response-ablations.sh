#!/usr/bin/env bash
# Ablations of SocialAlign on generated responses: routing, rank, portrait, history (tables of socialalign.md 8).
# Usage: bash recipes/response-ablations.sh   (in a clone, after `make setup`)
exec bash "$(dirname "$0")/run.sh" response-ablations "$@"
