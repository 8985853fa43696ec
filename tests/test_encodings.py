"""Text files of ours are UTF-8 on every machine: nothing reads or writes one in the locale's encoding.

A test rather than ruff's PLW1514, which knows a path only where it sees it made.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"
TEXT_CALLS = {"read_text", "write_text", "fdopen", "NamedTemporaryFile", "TemporaryFile"}


def by_locale(text: str) -> list[int]:
    """The lines with a call that leaves the encoding to the locale."""
    tree = ast.parse(text)
    entered = {id(item.context_expr) for node in ast.walk(tree) if isinstance(node, ast.With) for item in node.items}
    return sorted(call.lineno for call in _calls(tree) if _leaves_it_open(call, id(call) in entered))


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _leaves_it_open(call: ast.Call, entered: bool) -> bool:
    named = {keyword.arg for keyword in call.keywords}
    if "encoding" in named or _is_binary(call):
        return False
    match call.func:
        case ast.Attribute(attr="open"):  # also of what is no path: one of a file has a mode, or is entered
            return bool(_modes(call)) or (entered and not call.args)
        case ast.Attribute(attr="read_text"):
            return not call.args
        case ast.Attribute(attr=name):
            return name in TEXT_CALLS
        case ast.Name(id=name):
            return name == "open" or name in TEXT_CALLS - {"read_text"}
    return False


def _modes(call: ast.Call) -> list[str]:
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    words = [node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [word for word in words if set(word) <= set("rwaxb+t")]


def _is_binary(call: ast.Call) -> bool:
    return any("b" in mode for mode in _modes(call))


def test_no_text_file_is_read_in_the_locales_encoding() -> None:
    """A comment with an umlaut must not keep the service down where the locale is another one."""
    found = {path: by_locale(path.read_text(encoding="utf-8")) for path in SRC.rglob("*.py")}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "code",
    [
        "path.read_text()",
        "paths.lock.write_text('x')",
        "open(path)",
        "with path.open() as file: pass",
        "path.open('a+')",
        "path.open(mode='w')",
        "os.fdopen(descriptor, 'w')",
    ],
)
def test_a_planted_one_is_found(code: str) -> None:
    """The test above can fail."""
    assert by_locale(code) == [1]


@pytest.mark.parametrize(
    "code",
    [
        "path.read_text(encoding='utf-8')",
        "read_text(path)",
        "path.open('rb')",
        "os.fdopen(descriptor, 'wb')",
        "with path.open('a', encoding='utf-8') as file: pass",
        "await output.open()",
        "os.open(path, os.O_RDONLY)",
        "Edge.open(options)",
    ],
)
def test_what_has_an_encoding_or_needs_none_is_not(code: str) -> None:
    assert by_locale(code) == []
