#!/usr/bin/env bash
# Responses to Weibo posts (ced-weibo): what each user writes, the public's mix of emoticons, predictions of withheld ones.
# Usage: bash recipes/ced-weibo.sh RAW_FOLDER   (in a clone, after `make setup`)
# RAW_FOLDER holds posts.jsonl.gz, responses_train.csv.gz, emoticons_train.csv.gz, posts_test.jsonl.gz and
# responses_test.csv.gz. Nothing is copied into the project. Its user ids are hashes already, so a public salt does where
# POPCAST_SALT is not set; users of collectors of your own need a secret one.
export POPCAST_SALT=${POPCAST_SALT:-ced-weibo: ids are hashes already}
exec bash "$(dirname "$0")/run.sh" ced-weibo "$@"
