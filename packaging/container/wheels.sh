#!/bin/sh
# wheels.sh PROJECT FOLDER: fill FOLDER with a wheel of the project and one of each package of its lock, llama.cpp compiled.
#
# Nothing comes without a hash of requirements.lock: first all that is ready to use, then llama-cpp-python and the project,
# built with the backends just fetched. Needs a C++ compiler.
set -eu

project=$1
wheels=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The lock without llama-cpp-python, or (1) that alone. A requirement's hashes are indented below it.
part() { awk -v compiled="$1" '/^[^ ]/ { mine = /^llama-cpp-python==/ } mine + 0 == compiled' "$project/requirements.lock"; }

part 0 > "$work/ready.lock"
part 1 > "$work/compiled.lock"
python3 -m venv "$work/venv"
PATH=$work/venv/bin:$PATH  # the backends find their cmake and ninja there
pip() { python -m pip --disable-pip-version-check "$@"; }

mkdir -p "$wheels"
pip download --only-binary :all: --require-hashes --no-deps --dest "$wheels" -r "$work/ready.lock"
pip install --no-index --find-links "$wheels" --upgrade setuptools scikit-build-core cmake ninja
pip wheel --require-hashes --no-deps --no-build-isolation --wheel-dir "$wheels" -r "$work/compiled.lock"
pip wheel --no-index --no-deps --no-build-isolation --wheel-dir "$wheels" "$project"
