#!/usr/bin/env bash
# MultiSmpLLM with a real pretrained language model on posts of public pages (facebook-pages), 20 pages per draw; the
# model tuned there is asked about videos of tiktok-creators, which it has not seen.
# The model is SmolLM2-135M-Instruct (4-bit weights, dequantised): run `make pretrained` first.
# About an hour on two idle cores with AVX512-BF16.
# A run that is stopped goes on where it was when it is started again.
# Usage: bash recipes/facebook-smollm2.sh RAW_FOLDER   (in a clone, after `make setup` and `make pretrained`)
# RAW_FOLDER holds the folders facebook-pages and tiktok-creators. Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" facebook-smollm2 "$@"
