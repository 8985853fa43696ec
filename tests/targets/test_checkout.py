"""Targets that work on the checkout: tried on a copy, or looked at where they take minutes or call these tests."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.setup.machine import Machine
from tests.support.service_fixture import ROOT
from tests.targets.bench import make

# The last command of those that are not run here: they run the tests, write what other tests look at, or do what the
# targets of test_targets.py do.
BY_COMMAND = {
    "demo": "-m tools.demo",
    "test": "-m pytest",
    "test-faults": "-m pytest -m '' tests/acceptance/test_fault_matrix.py tests/acceptance/test_endurance.py",
    "types": "-m mypy",
    "screenshots": "-m tools.screenshots",
    "config-docs": "-m tools.config_docs",
    "diagrams": "-m tools.diagrams",
    "lock": "scripts/lock.sh",
}
OF_THE_CHECKOUT = {*BY_COMMAND, "help", "setup", "clean", "lint", "format", "shape"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Enough of one."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("src", "tests", "tools", "scripts", "disposable", "loadtest", "benchmarks"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_help_lists_targets_by_group() -> None:
    """And each in its order."""
    lines = make("help").out.splitlines()
    groups = [line for line in lines if line and not line.startswith("make ")]
    assert groups[:3] == ["Begin", "Run", "Two colours"] and len(groups) == len(set(groups)) >= 8
    assert lines.index("Deploy") < next(n for n, line in enumerate(lines) if line.startswith("make deploy "))


def test_setup_on_a_new_machine(machine: Machine) -> None:
    """It installs; the second time all is there."""
    shutil.copy(ROOT / "Makefile", machine.checkout)
    machine.is_debian()
    machine.has_python()
    machine.has_programs()
    first, second = setup(machine), setup(machine)
    assert first.returncode == 0 and "setup: done" in first.stdout, first.stderr
    assert any("-m pip" in call for call in machine.calls)
    assert second.returncode == 0 and "everything is there" in second.stdout
    assert setup(machine, "setup", "install-locust", "--dry-run").returncode == 0
    assert setup(machine, "install-locust").stdout == "", "setup before another target has nothing to say"


def setup(machine: Machine, *targets: str) -> "subprocess.CompletedProcess[str]":
    command = [shutil.which("make") or "make", *(targets or ("setup",)), "MODEL="]
    own = {"PATH": str(machine.bin), "MODELSVC_SETUP_PATH": str(machine.bin), "MODELSVC_ROOT": str(machine.root)}
    own["TMPDIR"] = os.environ.get("TMPDIR", "/tmp")
    return subprocess.run(command, cwd=machine.checkout, env=own, capture_output=True, text=True, timeout=60)


def test_clean_removes_what_tools_leave_and_nothing_else(checkout: Path) -> None:
    """.venv stays."""
    kept = {".venv/bin/python", "src/a.py", "results/x/report.md"}
    caches = (f"{name}/x" for name in ("build", ".mypy_cache", ".ruff_cache", ".pytest_cache", "loadtest/__pycache__"))
    for name in (*kept, "src/p/__pycache__/a.pyc", *caches):
        path = checkout / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert make("clean", folder=checkout).code == 0
    left = {str(path.relative_to(checkout)) for path in checkout.rglob("*") if path.is_file()}
    assert left == {*kept, "Makefile", "pyproject.toml"}


def test_format_makes_lint_content(checkout: Path) -> None:
    """On a file that ruff would rewrite."""
    ugly = checkout / "src/ugly.py"
    ugly.write_text("import sys\nimport os\nx = [ os.name,sys.path ]\n")
    assert make("lint", folder=checkout).code != 0
    assert make("format", folder=checkout).code == 0
    assert ugly.read_text() == "import os\nimport sys\n\nx = [os.name, sys.path]\n"
    assert make("lint", folder=checkout).code == 0


def test_shape_tells_lengths() -> None:
    """Of this checkout."""
    assert re.search(r"median", make("shape").out)


@pytest.mark.parametrize(("target", "command"), BY_COMMAND.items())
def test_what_the_others_run(target: str, command: str) -> None:
    """As the last thing."""
    assert make("--dry-run", target).out.splitlines()[-1].endswith(command)
