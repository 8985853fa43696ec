"""`modelsvc completion`: its scripts in real shells."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Run

from modelsvc.cli.completion import INSTALL
from modelsvc.store.entry import Origin
from supervisor.protocol import SETTABLE_KEYS, encode

# Asks the script's own function, as bash does on Tab.
BASH = """
source "$SCRIPT"
COMP_WORDS=({words} {word!r}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
_modelsvc_completion modelsvc {word!r} 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
FISH = """
source "$SCRIPT"
complete --do-complete {line!r}
"""
# The line editor's own commands only print what they are given: without its terminal they do nothing else.
ZSH = """
compdef() { print -- $2 }
compadd() { local name=${@[-1]}; print -l -- ${(P)name} }
_describe() { local name=$3; print -l -- ${${(P)name}%%:*} }
source "$SCRIPT"
words=(modelsvc WORDS); CURRENT=$#words
_modelsvc_completion
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`modelsvc` is on the PATH, as shells want it."""
    program = tmp_path / "bin/modelsvc"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m modelsvc "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return tmp_path


def script(run: Run, world: Path, shell: str) -> Path:
    path = world / f"modelsvc.{shell}"
    path.write_text(run("completion", shell).stdout)
    return path


def store(home: Path, name: str) -> None:
    """A model in the store, with what the store knows it by."""
    folder = home / "models" / ("a" * 64)
    folder.mkdir(parents=True)
    (folder / name).touch()
    (folder / "origin.json").write_bytes(encode(Origin(key="k", source="s", pulled_at="t", name=name)))


def bash(run: Run, world: Path, line: str) -> list[str]:
    """What Tab offers behind `line`."""
    *words, word = line.split(" ")
    asked = BASH.format(words=" ".join(words), word=word)
    env = {**os.environ, "SCRIPT": str(script(run, world, "bash"))}
    done = subprocess.run(["bash", "-c", asked], env=env, capture_output=True, text=True, check=True, timeout=60)
    return sorted(done.stdout.split())


def fish(run: Run, world: Path, line: str) -> list[str]:
    """What Tab offers behind `line`, descriptions behind a tabulator."""
    env = {**os.environ, "SCRIPT": str(script(run, world, "fish"))}
    asked = ["fish", "--no-config", "-c", FISH.format(line=line)]
    done = subprocess.run(asked, env=env, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("modelsvc c", ["chat", "completion", "ctl"]),
        ("modelsvc ctl s", ["shutdown", "start", "status", "stop", "swap"]),
        ("modelsvc ctl swap ", ["blue", "green"]),
        ("modelsvc ctl start g", ["green"]),
        ("modelsvc ctl rollback --to ", ["blue", "green"]),
        ("modelsvc ctl logs ", ["all", "blue", "edge", "green", "prometheus", "supervisor"]),
        ("modelsvc ctl logs all --fo", ["--follow"]),
        ("modelsvc ctl deploy --set ", sorted(f"{key}=" for key in SETTABLE_KEYS)),
        ("modelsvc completion ", sorted(INSTALL)),
        ("modelsvc w", []),
    ],
)
def test_bash_completes_commands_options_and_values(run: Run, world: Path, line: str, offered: list[str]) -> None:
    """Hidden commands are not among them."""
    assert bash(run, world, line) == offered


def test_bash_completes_the_stores_models(run: Run, world: Path, home: Path) -> None:
    """By name; what it has not is left to bash, which completes files."""
    store(home, "smol.gguf")

    assert bash(run, world, "modelsvc ctl deploy --model sm") == ["smol.gguf"]
    assert bash(run, world, "modelsvc ctl deploy --model ./x") == []


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes(run: Run, world: Path) -> None:
    """With the real `complete --do-complete`."""
    for line, offered in (("modelsvc ctl swap ", ["blue", "green"]), ("modelsvc ctl logs ed", ["edge"])):
        assert fish(run, world, line) == offered


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_shows_names_and_descriptions_to_their_end(run: Run, world: Path, home: Path) -> None:
    """Though both may have commas, by which click parts what it answers."""
    store(home, "smol,q8.gguf")

    assert fish(run, world, "modelsvc ctl deploy --model sm") == ["smol,q8.gguf"]
    assert fish(run, world, "modelsvc ctl stat") == ["status\tShow what serves, what it costs and what..."]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
@pytest.mark.parametrize(
    ("words", "offered"), [("ctl swap ''", ["blue", "green"]), ("ctl sw", ["swap"]), ("ctl logs ed", ["edge"])]
)
def test_zsh_completes(run: Run, world: Path, words: str, offered: list[str]) -> None:
    """The script registers its function, and that hands over what click answers."""
    env = {**os.environ, "SCRIPT": str(script(run, world, "zsh"))}
    asked = ZSH.replace("WORDS", words)
    done = subprocess.run(["zsh", "-f", "-c", asked], env=env, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["modelsvc", *offered]


@pytest.mark.parametrize("shell", INSTALL)
def test_the_script_says_how_to_install_it(run: Run, shell: str) -> None:
    """At its end, for zsh wants `#compdef` first."""
    text = run("completion", shell).stdout
    assert INSTALL[shell][0] in text and text.splitlines()[-4:-2] != []
    assert shell != "zsh" or text.startswith("#compdef modelsvc\n")


def test_a_store_that_cannot_be_read_is_no_matter_of_the_prompt(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are completed all the same, and nothing is printed into the line."""
    (world / "file").write_text("")
    monkeypatch.setenv("MODELSVC_HOME", str(world / "file/below"))
    monkeypatch.setenv("COMP_WORDS", "modelsvc ctl deploy --model s")
    monkeypatch.setenv("COMP_CWORD", "4")
    monkeypatch.setenv("_MODELSVC_COMPLETE", "bash_complete")
    done = subprocess.run([world / "bin/modelsvc"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["file,s"], "")
