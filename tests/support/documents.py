"""The pages of the documentation, taken apart: code blocks, links, anchors, and the commands that they show."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_OPTIONAL = re.compile(r"\[[^\[\]]*\]")

# What stands in usage lines for something of the reader's.
PLACEHOLDERS = {
    "COLOR": "blue",
    "ID": "1",
    "NUMBER": "1",
    "N": "1",
    "LINES": "1",
    "SECONDS": "1",
    "KEY=VALUE": "model.slots=1",
}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced piece of a page, under its nearest heading."""

    language: str
    text: str
    page: Path
    line: int
    heading: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A `modelsvc` command as a page shows it. `in_prose`: named within a line, maybe without its arguments."""

    where: str
    arguments: tuple[str, ...]
    in_prose: bool


def pages() -> list[Path]:
    """All that is written for readers."""
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, *languages: str) -> list[Block]:
    """The page's code blocks, of these languages if any are named."""
    text = page.read_text()
    found = [
        Block(m[1], m[2], page, text.count("\n", 0, m.start()) + 1, _heading(text, m.start()))
        for m in _FENCE.finditer(text)
    ]
    return [block for block in found if not languages or block.language in languages]


def _heading(text: str, before: int) -> str:
    """The last heading before a place in a page; what looks like one within code is none."""
    return next(reversed(_HEADING.findall(_FENCE.sub("", text[:before]))), "")


def links(page: Path) -> list[str]:
    """Targets of links, those of pictures included; what looks like one in code is none."""
    return _LINK.findall(_INLINE.sub("", _FENCE.sub("", page.read_text())))


@cache
def anchors(page: Path) -> frozenset[str]:
    """What can follow `#` behind the page's name, as GitHub makes it from headings."""
    found: dict[str, int] = {}
    for heading in _HEADING.findall(_FENCE.sub("", page.read_text())):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return frozenset(found)


def commands(page: Path) -> Iterator[Shown]:
    """Each `modelsvc …` of the page, in shell blocks and within lines."""
    for block in blocks(page, "sh", "console"):
        for line in block.text.replace("\\\n", " ").splitlines():
            yield from shown(line, str(block))
    for inline in _INLINE.findall(_FENCE.sub("", page.read_text())):
        text = inline.replace("\n", " ")
        if text.startswith("modelsvc "):
            yield from shown(text, f"{page.relative_to(ROOT)}: `{text}`", in_prose=True)


def make_targets(page: Path) -> Iterator[str]:
    """The targets of each `make …` in the page's shell blocks and within its lines."""
    shells = [line for block in blocks(page, "sh", "console") for line in block.text.splitlines()]
    for text in (*shells, *_INLINE.findall(_FENCE.sub("", page.read_text()))):
        if not text.startswith(("make ", "$ make ")):
            continue
        match shlex.split(text.removeprefix("$ "), comments=True):
            case ["make", *words]:
                yield from (word for word in words if "=" not in word and not word.startswith("-"))


def shown(line: str, where: str = "", in_prose: bool = False) -> Iterator[Shown]:
    """Every `modelsvc` of a shell line, each of its alternatives `a|b`; comments, pipes and redirections apart."""
    line = line.removeprefix("$ ")
    while _OPTIONAL.search(line):
        line = _OPTIONAL.sub("", line)  # the inner ones first
    words = shlex.split(line, comments=True)
    for command in _split(words):
        while command and re.fullmatch(r"\w+=\S*|env|sudo", command[0]):
            command = command[1:]
        if command and Path(command[0]).name == "modelsvc":
            kept = [word.split("|") for word in command[1:] if word not in ("…", "...")]
            for alternative in product(*kept):
                yield Shown(where, tuple(PLACEHOLDERS.get(word, word) for word in alternative), in_prose)


def _split(words: list[str]) -> Iterator[list[str]]:
    command: list[str] = []
    for word in words:
        if re.fullmatch(r"[|&;]+|\d?[<>]+", word):
            yield command
            command = []
        elif word.endswith(";"):
            yield [*command, word[:-1]]
            command = []
        else:
            command.append(word)
    yield command


def check(shown: Shown, root: click.Command) -> None:
    """Have the command tree parse it, and do nothing. Raises click.UsageError for what it does not take.

    A command whose subcommand is not told, as in "all of `modelsvc ctl`", is taken as far as it goes; and one that is
    named in prose may lack the arguments that it needs.
    """
    try:
        _parse(root, "modelsvc", list(shown.arguments), None)
    except click.exceptions.Exit:
        pass  # --help and --version
    except click.MissingParameter:
        if not shown.in_prose:
            raise


def _parse(command: click.Command, name: str, arguments: list[str], parent: click.Context | None) -> None:
    if not arguments and isinstance(command, click.Group):
        return
    context = command.make_context(name, arguments, parent=parent)
    if isinstance(command, click.Group) and (rest := [*context._protected_args, *context.args]):
        found, subcommand, left = command.resolve_command(context, rest)
        assert subcommand is not None and found is not None
        _parse(subcommand, found, left, context)
