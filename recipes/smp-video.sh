#!/usr/bin/env bash
# Videos of the SMP challenge (smp-video): what an author usually gets, and the words of post, suggestions and music.
# Usage: bash recipes/smp-video.sh RAW_FOLDER   (in a clone, after `make setup`)
# RAW_FOLDER holds train/ and test/ in the challenge's JSONL layout. Nothing is copied into the project.
exec bash "$(dirname "$0")/run.sh" smp-video "$@"
