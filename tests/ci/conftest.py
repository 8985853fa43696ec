"""A checkout of its own whose version may be released, and the release that `make` made of it."""

import os
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.service_fixture import ROOT, Ran
from tests.targets.bench import make

KEPT = ("src", "scripts", "pyproject.toml", "README.md", "LICENSE", "Makefile", "CHANGELOG.md")
GH = '#!/bin/sh\nprintf "%s\\n" "$@" > {calls}\n'
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
TAG = f"v{VERSION}"


@dataclass(frozen=True)
class Released:
    """How it went, where, and what GitHub's command line was asked for."""

    ran: Ran
    tree: Path
    asked: list[str]
    environment: dict[str, str]

    @property
    def wheel(self) -> Path:
        (wheel,) = (self.tree / "dist").glob("*.whl")
        return wheel


def of_a_release(changelog: str) -> str:
    """What is under Unreleased put under the version's own heading, as docs/ci.md has it, unless that was done."""
    if f"## [{VERSION}] - " in changelog:
        return changelog
    return changelog.replace("## [Unreleased]\n", f"## [Unreleased]\n\n## [{VERSION}] - 2031-05-04\n")


@pytest.fixture(scope="package")
def released(tmp_path_factory: pytest.TempPathFactory) -> Released:
    tree, programs = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("bin")
    for name in KEPT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tree / name)
    changelog = tree / "CHANGELOG.md"
    changelog.write_text(of_a_release(changelog.read_text(encoding="utf-8")), encoding="utf-8")
    (programs / "gh").write_text(GH.format(calls=programs / "asked"))
    (programs / "gh").chmod(0o700)
    more = {"TAG": TAG, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    ran = make("release", folder=tree, more=more)
    assert ran.code == 0, ran
    return Released(ran, tree, (programs / "asked").read_text().splitlines(), more)
