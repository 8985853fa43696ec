"""The commands a person types."""

import os
import re
import subprocess
from pathlib import Path

from tests.setup.machine import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def make(*arguments: str) -> list[str]:
    ours = ("MAKE", "PYTHON_ENV")  # of a `make test` around us
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        ["make", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout.splitlines()


def test_make_alone_lists_every_command() -> None:
    """A target without its line of help is not found."""
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))

    assert {line.split()[1] for line in make() if line.startswith("make ")} == targets


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


def test_variables_of_load_tests_become_options() -> None:
    """Those that are set, whatever is in them; each kind of test has its own target."""
    commands = make("--dry-run", "test-deploy-load", "DURATION=5", "MODEL=my model.gguf", "BAKE_S=1")

    assert commands[-1].split() == [
        *(".venv/bin/python", "-m", "loadtest.run", "deploy"),
        *("--duration", "'5'", "--model", "'my", "model.gguf'", "--bake-s", "'1'"),
    ]
    kinds = {"test-baseline": "baseline", "test-prewarm": "prewarm", "generate-traffic": "traffic"}
    for target, kind in kinds.items():
        assert f"-m loadtest.run {kind} --users '3'" in " ".join(make("--dry-run", target, "USERS=3")[-1].split())
    assert (
        "loadtest.monitored --model 'b.gguf' --plan"
        in make("--dry-run", "deploy-monitored", "MODEL=b.gguf", "ARGS=--plan")[-1]
    )
    assert "loadtest.report yesterday" in make("--dry-run", "open-report", "RESULT=yesterday")[-1]


def test_what_is_written_reaches_the_command_as_it_is(tmp_path: Path) -> None:
    """Quotes, dollars, and a message that looks like an option."""
    echo = tmp_path / "echo.sh"
    echo.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    echo.chmod(0o755)
    given = ("--assume-old", "setup", "-s", f"PYTHON_ENV={echo}")

    assert make(*given, "chat", """MESSAGE=-- it's "so" $HOME""")[-2:] == ["--", """-- it's "so" $HOME"""]
    assert make(*given, "deploy", "MODEL=it's $HOME, too.gguf")[-2:] == ["--model", "it's $HOME, too.gguf"]


def test_setup_pulls_the_model_that_is_named() -> None:
    """Only where setup is what was asked for: to others MODEL is the model of their own."""
    assert "modelsvc model pull 'smollm2'" in make("--dry-run", "setup", "MODEL=smollm2")[-1]
    assert not any("model pull" in line for line in make("--dry-run", "setup"))
    assert not any("model pull" in line for line in make("--dry-run", "test-deploy-load", "MODEL=b.gguf"))


def test_ci_runs_what_a_person_runs() -> None:
    """`make test`, and nothing beside it."""
    commands = [
        line for line in (ROOT / ".ci/run").read_text().splitlines() if not line.startswith(("#", "set ", "cd "))
    ]

    assert commands == ["exec make test"]
