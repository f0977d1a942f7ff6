#!/usr/bin/env bash
# MultiSmpLLM with a real pretrained language model on the newest videos of creators (tiktok-creators): 100 creators per
# draw, three test sets, 1 to 3 shots.
# The model is SmolLM2-135M-Instruct (4-bit weights, dequantised): run `make pretrained` first.
# About 90 minutes on two idle cores with AVX512-BF16: see what a step costs in the recipe.
# A run that is stopped goes on where it was when it is started again.
# Usage: bash recipes/tiktok-smollm2.sh RAW_FOLDER   (in a clone, after `make setup` and `make pretrained`)
# RAW_FOLDER holds videos_train.csv.gz and videos_test.csv.gz. Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" tiktok-smollm2 "$@"
