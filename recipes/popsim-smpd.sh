#!/usr/bin/env bash
# PopSim on real SMPD: an audience of 100 personas answered by Llama 3.1 8B, its mean field told to a tuned Llama 3.2 3B,
# and the same agent told less of it or nothing. Every number is in popsim-smpd.yaml.
# Usage: bash recipes/popsim-smpd.sh RAW_FOLDER   (in a clone, after `make setup` and `hf auth login`)
# Before it, on a machine with a GPU (requirements-vllm.txt; sharing one GPU with the tuning: see popsim-smpd.yaml):
#   vllm serve meta-llama/Llama-3.1-8B-Instruct --enable-prefix-caching
# (any server with the OpenAI chat API will do: simulation.policy.url). When the server goes away the stage stops with one
# line; started again it goes on where it was. RAW_FOLDER holds the official files of SMPD; nothing is copied.
exec bash "$(dirname "$0")/run.sh" popsim-smpd "$@"
