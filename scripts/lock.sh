#!/bin/sh
# Write requirements.lock anew: every package the project and its development need, for every system and Python we
# support, with the hash of each of its files. Pins that still fit are kept; `make lock UPGRADE=1` moves them forward.
#
# pip and the build backends are locked too, so that nothing is installed without a hash, not even to build with.
set -eu

UV_VERSION=0.13.9
BUILD_TOOLS='pip scikit-build-core cmake ninja'  # what setup.sh compiles llama-cpp-python with

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

.venv/bin/python -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet "uv==$UV_VERSION"

# shellcheck disable=SC2086  # one word for each tool
.venv/bin/python - $BUILD_TOOLS > "$scratch/build.in" <<'PYTHON'
import sys, tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["build-system"]["requires"], *sys.argv[1:], sep="\n")
PYTHON

"$scratch/venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' ${UPGRADE:+--upgrade} \
    --extra dev --output-file requirements.lock pyproject.toml "$scratch/build.in"
