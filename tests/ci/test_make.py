"""What the workflows run, run by the real `make`."""

import sys
from pathlib import Path

from tests.ci.conftest import TAG, Released
from tests.targets.bench import make

OF_CI = {"wheel", "wheel-check", "release-check", "release-notes", "release", "publish", "deploy-ci", "container-lint"}


def test_release_publishes_the_wheel_that_was_tried(released: Released) -> None:
    """Checked, built, installed elsewhere, and only then published, with the changelog's section as notes."""
    said = released.ran.out
    steps = [said.index(text) for text in (f"{TAG} may be released", "is whole, and runs", "gh release create")]
    assert steps == sorted(steps)
    assert released.asked == [
        *("release", "create", TAG, str(released.wheel.relative_to(released.tree)), "--verify-tag"),
        *("--title", TAG, "--notes-file", "dist/notes.md"),
    ]
    notes = (released.tree / "dist/notes.md").read_text()
    assert notes.startswith("### ") and "## [" not in notes


def test_a_release_is_published_without_a_package_installed(released: Released) -> None:
    """No setup: what runs beside the right to write is the standard library and GitHub's command line."""
    said = make(
        "publish", f"PYTHON={sys.executable} -S", folder=released.tree, more=released.environment, setup=True
    ).out
    assert f"{TAG} may be released" in said and "setup" not in said


def test_a_tag_of_another_version_is_not_released(released: Released, tmp_path: Path) -> None:
    """Nothing is built for it, nor is a shell misled by its name."""
    touched = tmp_path / "touched"
    for tag in ("v9.9.9", "", f"v0.1.0'; touch {touched}; '", f"$(touch {touched})"):
        for target in ("release-check", "release-notes", "release", "publish"):
            ran = make(target, folder=released.tree, more={"TAG": tag})
            assert ran.code != 0 and "is whole" not in ran.out, (target, tag)
    assert not touched.exists()


def test_release_notes_are_printed(released: Released) -> None:
    printed = make("release-notes", f"TAG={TAG}", folder=released.tree).out
    assert printed == (released.tree / "dist/notes.md").read_text()


def test_deploy_ci_has_its_wishes_from_the_environment_or_from_make(tmp_path: Path) -> None:
    """It needs no environment of the checkout."""
    command = tmp_path / "modelsvc"
    command.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    command.chmod(0o700)
    more = {"MODELSVC_COMMAND": str(command), "EVIDENCE": str(tmp_path / "evidence")}
    assert make("deploy-ci", more={**more, "ARGS": "--model 'a b.gguf'"}).out == "ctl|deploy|--json|--model|a b.gguf|\n"
    assert make("deploy-ci", "ARGS=--in-place", more=more).out == "ctl|deploy|--json|--in-place|\n"


def test_container_lint_runs_what_judges_the_container() -> None:
    assert make("--dry-run", "container-lint").out.splitlines()[-1].endswith("-m pytest tests/container")
