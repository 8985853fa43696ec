"""What the pages show can be followed: links lead somewhere, commands parse, configuration loads."""

import re
import tomllib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from tests.support import documents
from tests.support.documents import ROOT

from modelsvc.cli.tree import cli
from supervisor.config import parse

PAGES = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in documents.pages()]
TOML = [pytest.param(block, id=str(block)) for page in documents.pages() for block in documents.blocks(page, "toml")]


def broken(page: Path) -> Iterator[str]:
    """Links of a page that lead nowhere."""
    for target in documents.links(page):
        if re.match(r"[a-z]+:", target):
            continue  # the rest of the world is not ours to keep
        path, _, anchor = unquote(target).partition("#")
        to = (page.parent / path).resolve() if path else page
        if not to.exists():
            yield f"{target}: there is no {to}"
        elif anchor and anchor not in documents.anchors(to):
            yield f"{target}: {to.name} has no such heading"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file of the repository, and to a heading that is there."""
    assert list(broken(page)) == []


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_commands(page: Path) -> None:
    """Each `modelsvc …` has a subcommand, options and arguments that the command line knows."""
    problems = []
    for shown in documents.commands(page):
        try:
            documents.check(shown, cli)
        except click.UsageError as error:
            problems.append(f"{shown.where}: {error.format_message()}")
    assert problems == []


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_are_there(page: Path) -> None:
    """Each `make …` names targets of the Makefile."""
    known = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(documents.make_targets(page)) - known == set()


@pytest.mark.parametrize("block", TOML)
def test_toml_is_configuration(block: documents.Block, tmp_path: Path) -> None:
    """Each TOML block may be copied into the file as it is."""
    (tmp_path / "keys").touch()
    parse(tomllib.loads(block.text), str(block), tmp_path)


def test_every_page_can_be_reached_from_the_index() -> None:
    """docs/README.md leads to each page, some of them by way of another one."""
    seen, left = set(), [ROOT / "docs" / "README.md"]
    while left:
        page = left.pop()
        seen.add(page)
        targets = {
            (page.parent / link.partition("#")[0]).resolve() for link in documents.links(page) if ":" not in link
        }
        left += [to for to in targets if to.suffix == ".md" and to.is_file() and to not in seen]
    assert set((ROOT / "docs").rglob("*.md")) - seen == set()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[a](missing.md)", "there is no"),
        ("[a](page.md#nowhere)", "no such heading"),
        ("![a](img/missing.png)", "there is no"),
    ],
)
def test_a_broken_link_is_found(tmp_path: Path, text: str, what: str) -> None:
    """The test of links can fail."""
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{text}\n\n[good](#a-page) [also](page.md) `[code](no.md)`\n")
    (problem,) = broken(page)
    assert what in problem


@pytest.mark.parametrize(
    ("line", "fails"),
    [
        ("modelsvc ctl deploy --model x.gguf --plan  # a comment", False),
        ("MODELSVC_HOME=/tmp/x modelsvc ctl status --json | jq .active", False),
        ("modelsvc ctl logs [blue|green] [-n LINES]", False),
        ("modelsvc ctl", False),
        ("modelsvc ctl deplo", True),
        ("modelsvc ctl deploy --modell x.gguf", True),
        ("modelsvc ctl stop violet", True),
        ("modelsvc ctl history --count", True),
    ],
)
def test_a_wrong_command_is_found(line: str, fails: bool) -> None:
    """The test of commands can fail, and does not where it should not."""
    for shown in documents.shown(line):
        with pytest.raises(click.UsageError) if fails else nullcontext():
            documents.check(shown, cli)
    assert list(documents.shown(line))
