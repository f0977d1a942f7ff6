#!/usr/bin/env bash
# MultiSmpLLM with Llama 3 8B on real SMPD, every param of the paper's setting named in llama3-8b.yaml.
# Usage: bash recipes/llama3-8b.sh RAW_FOLDER   (in a clone, after `make setup` and `hf auth login`; one GPU)
# Several GPUs: LAUNCH=recipes/accelerate/ddp.yaml bash recipes/llama3-8b.sh RAW_FOLDER
#   trains sft and align through `accelerate launch` (fsdp.yaml, zero3.yaml: weights in shards). Number of GPUs:
#   num_processes in the file; it must divide batch_size / accumulation.
# RAW_FOLDER holds two folders: smpd, the official files of SMPD, and tpic2017. Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" llama3-8b "$@"
