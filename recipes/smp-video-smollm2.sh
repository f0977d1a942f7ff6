#!/usr/bin/env bash
# MultiSmpLLM with a real pretrained language model on the SMP challenge's video track (smp-video).
# The model is SmolLM2-135M-Instruct (4-bit weights, dequantised): run `make pretrained` first.
# About 75 minutes on two idle cores with AVX512-BF16, an hour of them for `multismpllm` of the standard track.
# A run that is stopped goes on where it was when it is started again.
# Usage: bash recipes/smp-video-smollm2.sh RAW_FOLDER   (in a clone, after `make setup` and `make pretrained`)
# RAW_FOLDER holds train/ and test/ of the challenge. Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" smp-video-smollm2 "$@"
