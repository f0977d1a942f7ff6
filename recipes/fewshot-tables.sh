#!/usr/bin/env bash
# All tables of MultiSmpLLM on generated posts, of which the default run makes a part: 1 to 3 shots, LoRA, freeze, prefix and
# full tuning, many-shot rows, DPO and IDPOP in the usual and in a harsh setting, zero-shot on TPIC2017. The language model
# is a stand-in made here. Half an hour on two cores.
# Usage: bash recipes/fewshot-tables.sh   (in a clone, after `make setup`)
exec bash "$(dirname "$0")/run.sh" fewshot-tables "$@"
