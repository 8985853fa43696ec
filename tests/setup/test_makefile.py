"""The commands a person types."""

import os
import re
import subprocess

from tests.setup.machine import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def make(*arguments: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # of `make test`
    done = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.splitlines()


def test_make_alone_lists_every_command() -> None:
    """A target without its line of help is not found."""
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))

    assert {line.split()[1] for line in make()} == targets


def test_the_tests_come_last_and_setup_first() -> None:
    """What CI reads is pytest's closing line."""
    commands = make("--dry-run", "test")

    assert commands[0].endswith("scripts/setup.sh")
    assert [command.split(" -m ")[1] for command in commands[1:]] == [
        "ruff check",
        "ruff format --check",
        "mypy",
        "pytest",
    ]


def test_ci_runs_what_a_person_runs() -> None:
    """`make test`, and nothing beside it."""
    commands = [
        line for line in (ROOT / ".ci/run").read_text().splitlines() if not line.startswith(("#", "set ", "cd "))
    ]

    assert commands == ["exec make test"]
