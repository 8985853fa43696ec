"""requirements.lock holds all that is installed, by hash, and says nothing of where it was fetched."""

import re
import tomllib

import pytest
from tests.setup.machine import ROOT

LOCK = (ROOT / "requirements.lock").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

PIN = re.compile(r"([a-z0-9-]+)==[0-9][\w.]*( ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")

PROJECT = PYPROJECT["project"]
DECLARED = [
    *PROJECT["dependencies"],
    *PROJECT["optional-dependencies"]["dev"],
    *PYPROJECT["build-system"]["requires"],
    "pip",
    "scikit-build-core",
    "cmake",
    "ninja",
]


def canonical(requirement: str) -> str:
    """The name alone, as registries compare it."""
    name = re.split(r"[^\w.-]", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> set[str]:
    return {match[1] for line in LOCK.splitlines() if (match := PIN.fullmatch(line))}


@pytest.mark.parametrize("requirement", DECLARED)
def test_what_the_project_declares_is_locked(requirement: str) -> None:
    """`make lock` was run after the last change of pyproject.toml."""
    assert canonical(requirement) in pinned()


def test_every_line_is_a_pin_or_a_hash() -> None:
    """So there is no registry's address, no option and no loose version."""
    odd = [
        line for line in LOCK.splitlines() if not (line.startswith("#") or PIN.fullmatch(line) or HASH.fullmatch(line))
    ]
    assert odd == []
    assert "://" not in LOCK


def test_every_pin_has_a_hash() -> None:
    """pip refuses the whole file otherwise."""
    lines = [line for line in LOCK.splitlines() if not line.startswith("#")]
    bare = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if PIN.fullmatch(line) and not HASH.fullmatch(following)
    ]
    assert bare == []
