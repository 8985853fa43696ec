#!/bin/sh
# Set up everything `make demo` and `make test` need, from a bare macOS (Homebrew) or Debian/Ubuntu machine on.
#
#   1. what the system's package manager must give: a Python >= 3.11 with venv, a C++ compiler, nginx
#   2. what it should give: Prometheus for `modelsvc monitor`; and for tests alone Chromium, zsh and fish
#   3. .venv with the packages of requirements.lock, each checked against its hash   (python_packages.sh)
#
# Without 1 it fails, and says what whoever is root has to run. Without 2, it says what is then not there, and goes on.
#
# QUIET=1 says nothing when all is there: then another target's output is all there is to see.
# A second run finds the stamp of the first and the programs, and ends at once. What of 2 could not be had is on the
# stamp's list, and not asked for again until the stamp is made anew. Runs in dash and in macOS's bash 3.2.
# MODELSVC_SETUP_PATH replaces the folders searched beyond $PATH, MODELSVC_ROOT goes before paths (the tests set them).
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
scripts=$root/scripts
cd "$root"
# Ordinary users of Debian lack the sbin folders, shells started by an editor lack Homebrew's.
PATH=$PATH:${MODELSVC_SETUP_PATH-/usr/local/sbin:/usr/sbin:/sbin:/opt/homebrew/bin:/usr/local/bin}
stamp=.venv/modelsvc-setup
applications=${MODELSVC_ROOT-}/Applications
unavailable=$stamp.unavailable  # names, a line each
optional='prometheus chromium zsh fish'

say() { echo "setup: $*"; }
fail() { echo "setup: $*" >&2; exit 1; }
have() { command -v "$1" > /dev/null 2>&1; }

# All that decides what is installed, and where: a virtual environment cannot be moved.
inputs() { echo "$root"; cat pyproject.toml requirements.lock; }
set_up() {
    have nginx && [ -x .venv/bin/python ] && [ -f "$stamp" ] && inputs | cmp -s - "$stamp" || return 1
    for name in $optional; do
        there "$name" || grep -qsx "$name" "$unavailable" || return 1
    done
}

# Browsers of the Chromium family go by several names, and on macOS are folders.
there() {
    case $1 in
        chromium)
            have chromium || have chromium-browser || have google-chrome ||
                [ -d "$applications/Chromium.app" ] || [ -d "$applications/Google Chrome.app" ] ;;
        *) have "$1" ;;
    esac
}

# --- Python ---------------------------------------------------------------------------------------------------------

# Prints the first Python >= 3.11 there is. A pyenv shim may exist and yet not run, hence the call.
find_python() {
    for name in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' > /dev/null 2>&1; then
            command -v "$name"
            return
        fi
    done
    return 1
}

python_can_make_venvs() { "$1" -c 'import ensurepip, venv' > /dev/null 2>&1; }
python_version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

no_python() {
    fail "Python 3.11 or newer is needed and was not found. Get one and run this again:
    macOS           brew install python@3.13
    Debian, Ubuntu  sudo apt-get install python3 python3-venv   (Ubuntu 22.04: python3.11 python3.11-venv)
    elsewhere       pyenv install 3.13, then: make setup PYTHON=/path/to/python3.13"
}

# --- the system's packages ------------------------------------------------------------------------------------------

# Sets `wished` to those of the programs that are not there.
wish_for() {
    wished=
    for name; do there "$name" || wished="$wished $name"; done
}

macos_packages() {
    xcode-select -p > /dev/null 2>&1 ||
        fail "Apple's compilers are missing: run xcode-select --install, wait for it to end, and run this again."
    missing=
    find_python > /dev/null || missing="$missing python@3.13"
    have nginx || missing="$missing nginx"
    # Chromium is no formula, and its cask fails Gatekeeper: a browser is the user's to install.
    wish_for prometheus fish
    [ -n "$missing$wished" ] || return 0
    if have brew; then
        say "brew install$missing$wished"
        # shellcheck disable=SC2086  # one word for each package
        brew install $missing $wished || [ -z "$missing" ] || fail "brew could not install all of$missing$wished."
    else
        [ -z "$missing" ] || fail "Homebrew is needed to install$missing: get it as brew.sh says, and run this again."
    fi
}

debian_packages() {
    missing=
    if python=$(find_python); then
        python_can_make_venvs "$python" || missing="$missing python$(python_version "$python")-venv"
    elif ! have python3; then
        missing="$missing python3 python3-venv"
    fi
    have c++ || missing="$missing build-essential"
    have nginx || missing="$missing nginx"
    # shellcheck disable=SC2086  # one word for each program
    wish_for $optional
    [ -n "$missing$wished" ] || return 0
    # shellcheck disable=SC2086  # one word for each package
    as_root "$scripts/apt_install.sh" $missing ${wished:+--} $wished
}

# An installation by apt. What is only wished for may fail.
as_root() {
    sudo=
    if [ "$(id -u)" != 0 ]; then
        sudo=sudo
        have sudo || { without_root "$@"; return; }
    fi
    say "apt-get install$missing$wished"
    $sudo "$@" && return
    [ -z "$missing" ] || fail "installing$missing failed.${sudo:+ As root, run: $*}"
    say "that failed; going on, since the service runs without$wished"
}

without_root() {
    [ -z "$missing" ] || fail "root has to install$missing, and there is no sudo. As root, run: $*"
    say "the service runs without$wished, but not all of the tests. To install that, as root, run: $*"
}

other_packages() {
    find_python > /dev/null || no_python
    have c++ || fail "a C++ compiler is needed: install your system's (gcc-c++, clang) and run this again."
    have nginx || fail "nginx is needed: install your system's package of it, without starting it, and run this again."
}

system_packages() {
    case $(uname -s) in
        Darwin) macos_packages ;;
        *) if have apt-get; then debian_packages; else other_packages; fi ;;
    esac
    hash -r
    have nginx || fail "nginx was installed and is still not found; its folder must be on \$PATH."
}

# Tell what the optional programs would be for; print the names of those that are not there.
list_unavailable() {
    for name in $optional; do
        there "$name" && continue
        case $name in
            prometheus) say "no Prometheus here: \`modelsvc monitor\` cannot be used, and its tests are skipped" ;;
            chromium) say "no Chromium or Chrome here: the tests of the status page in a browser are skipped" ;;
            zsh | fish) say "no $name here: the tests of its completion are skipped" ;;
        esac >&2
        echo "$name"
    done
}

# --- all ------------------------------------------------------------------------------------------------------------

if set_up; then
    [ -n "${QUIET-}" ] || say "everything is there"
    exit 0
fi
system_packages
python=$(find_python) || no_python
"$python" "$scripts/alone.py" "$scripts" "$scripts/python_packages.sh" "$root" "$python"
list_unavailable > "$unavailable"
inputs > "$stamp"
say "done"
