"""May a tag be released? Changelogs good and bad."""

from pathlib import Path

import pytest
from scripts import changelog, release

GOOD = """\
# Changelog

## [Unreleased]

## [1.2.0] - 2031-05-04

### Added

- Something new.

## [1.1.0] - 2031-04-01

- Something older.
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(GOOD)
    return tmp_path


def test_a_tag_that_may_be_released(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["check", "v1.2.0"], root) == 0
    assert capsys.readouterr().out == "v1.2.0 may be released\n"


def test_its_notes_are_its_section(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the headings around it nor the next version's."""
    assert release.main(["notes", "v1.2.0"], root) == 0
    assert capsys.readouterr().out == "### Added\n\n- Something new.\n"


def test_the_last_section_ends_with_the_file(root: Path) -> None:
    assert changelog.notes(GOOD, "1.1.0") == "- Something older."


@pytest.mark.parametrize(
    ("tag", "text", "problem"),
    [
        ("v1.3.0", GOOD, "the tag is 'v1.3.0', and pyproject.toml has version 1.2.0"),
        ("1.2.0", GOOD, "the tag is '1.2.0'"),
        ("v1.2.0", GOOD.replace("1.2.0", "1.2.1"), "0 sections ## [1.2.0]"),
        ("v1.2.0", GOOD.replace("1.1.0", "1.2.0"), "2 sections ## [1.2.0]"),
        ("v1.2.0", GOOD.replace("2031-05-04", "unreleased"), "dated 'unreleased'"),
        ("v1.2.0", GOOD.replace(" - 2031-05-04", ""), "dated ''"),
        ("v1.2.0", GOOD.replace("2031-05-04", "2031-13-04"), "dated '2031-13-04'"),
        ("v1.2.0", GOOD.replace("- Something new.\n", ""), "has no entry"),
    ],
)
def test_a_tag_that_may_not(root: Path, capsys: pytest.CaptureFixture[str], tag: str, text: str, problem: str) -> None:
    """Each problem is told, and no notes are given out."""
    (root / "CHANGELOG.md").write_text(text)
    assert release.main(["check", tag], root) == release.main(["notes", tag], root) == 1
    assert capsys.readouterr().out.count(problem) == 2


@pytest.mark.parametrize("arguments", [[], ["check"], ["check", ""], ["publish", "v1.2.0"]])
def test_misuse(root: Path, arguments: list[str]) -> None:
    """An unset TAG is no tag."""
    assert release.main(arguments, root) == 2


def test_our_own_changelog_has_sections_and_an_open_one() -> None:
    """What is added goes under Unreleased, which a release empties; each version that was released may have been."""
    text = (release.ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    first, *released = changelog.sections(text)
    assert first.version == "Unreleased" and any(section.text for section in (first, *released))
    assert [changelog.problems(text, section.version) for section in released] == [[] for _ in released]
