#!/usr/bin/env bash
# The wheel as a stranger gets it: built, installed without extras into an empty environment of each Python that is
# given, and used there, outside the checkout: fit, leaderboard, predict, save, load on posts from a csv.
#
#     scripts/try_wheel.sh python3.11 python3.12 python3.13      # newest versions that the ranges allow
#     LOWEST=1 scripts/try_wheel.sh python3.11                   # the oldest that they allow
#
# Takes about 700 MB of disk for each Python, and PyPI.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH

git -C "$root" ls-files -z | (cd "$root" && xargs -0 cp --parents -t "$work" 2>/dev/null) || true
mkdir "$work/wheel" "$work/elsewhere"
"${1:-python3}" -m pip wheel --quiet --no-deps --wheel-dir "$work/wheel" "$work"
wheel=$(ls "$work"/wheel/*.whl)
echo "wheel: $(du -k "$wheel" | cut -f1) KB"
cp "$root/scripts/first_forecast.py" "$work/elsewhere/"

for python in "${@:-python3}"; do
    "$python" --version
    "$python" -m venv "$work/env"
    limits=()
    if [[ -n ${LOWEST:-} ]]; then
        "$work/env/bin/python" "$root/scripts/lowest_versions.py" "$root/pyproject.toml" > "$work/lowest.txt"
        limits=(--constraint "$work/lowest.txt")
    fi
    SECONDS=0
    "$work/env/bin/python" -m pip install -qq "${limits[@]}" "$wheel"
    echo "installed: $SECONDS s, $(du -sm "$work/env" | cut -f1) MB"
    (cd "$work/elsewhere" && SECONDS=0 && "$work/env/bin/python" first_forecast.py && echo "forecast: $SECONDS s")
    (cd "$work/elsewhere" && "$work/env/bin/popcast" --version)
    rm -rf "$work/env"
done
