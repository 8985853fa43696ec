#!/bin/sh
# python_packages.sh ROOT PYTHON: make ROOT/.venv hold what ROOT/requirements.lock says, and the project itself.
#
# Three installations, for nothing may come without a hash, the build backends included: first all that is ready to
# use, then llama-cpp-python, compiled with the backend just installed, then the project, with setuptools likewise.
set -eu

root=$1
python=$2
venv=$root/.venv
lock=$root/requirements.lock
log=$venv/setup.log

say() { echo "setup: $*"; }

# Made here, by a Python that still runs? (Homebrew removes old ones, folders get moved.)
usable() { "$venv/bin/python" -c '' > /dev/null 2>&1 && grep -qF "$venv" "$venv/bin/activate"; }

# The lock without llama-cpp-python, or (1) that alone. A requirement's hashes are indented below it.
part() { awk -v compiled="$1" '/^[^ ]/ { mine = /^llama-cpp-python==/ } mine + 0 == compiled' "$lock"; }

# A sign of life every 15 s: minutes without a word look like a hang. The sleeps are short and keep no pipe open, so
# that nothing outlives the setup by more than a second. This script sets no trap: a shell just forked would catch the
# kill that ends this with its parent's handler, forget it, and be waited for without end.
sign_of_life() {
    seconds=0
    while sleep 1 > /dev/null 2>&1 && kill -0 $$ 2> /dev/null; do
        seconds=$((seconds + 1))
        [ $((seconds % 15)) = 0 ] || continue
        step=$(tail -n 40 "$log" | grep -o '\[[0-9]*/[0-9]*\]' | tail -n 1)
        say "  ... $seconds s${step:+ $step}"
    done
}

pip_install() {
    sign_of_life &
    life=$!
    status=0
    "$venv/bin/python" -m pip --disable-pip-version-check install "$@" > "$log" 2>&1 || status=$?
    kill "$life" 2> /dev/null || true
    wait "$life" 2> /dev/null || true
    [ "$status" = 0 ] || give_up "$status"
}

give_up() {
    tail -n 40 "$log" >&2
    say "that failed; all of its output is in $log" >&2
    exit "$1"
}

if ! usable; then
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
fi
PATH=$venv/bin:$PATH  # the backends find their cmake and ninja there

say "installing the packages of requirements.lock"
part 0 > "$venv/ready.lock"
pip_install --require-hashes -r "$venv/ready.lock"

say "installing llama-cpp-python; it is compiled for this machine, which takes some minutes the first time"
part 1 > "$venv/compiled.lock"
pip_install --verbose --require-hashes --no-deps --no-build-isolation -r "$venv/compiled.lock"

say "installing modelsvc"
pip_install --no-deps --no-build-isolation --editable "$root"
