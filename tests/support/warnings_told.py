"""The text of every warning that the source tells: what is put into it is `…`."""

import ast
from collections.abc import Iterator
from pathlib import Path


def warnings(src: Path) -> tuple[list[str], set[str]]:
    """(the text of each `Warned(…)`, and where what is told comes from elsewhere: `module: expression`)."""
    found: list[str] = []
    passed_on: set[str] = set()
    for path in sorted(src.rglob("*.py")):
        tree = ast.parse(path.read_text())
        for told in _told(tree):
            texts = list(_texts(told, tree))
            found += map(_with_holes, texts)
            if not texts:
                passed_on.add(f"{path.relative_to(src)}: {ast.unparse(told)}")
    return found, passed_on


def _told(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="Warned"), args=[text]):
                yield text


def _texts(value: ast.expr, tree: ast.Module) -> Iterator[ast.expr]:
    """A text itself, what a name is given in the module, or what a function of the module returns."""
    match value:
        case ast.Constant() | ast.JoinedStr():
            yield value
        case ast.Name(id=name):
            yield from (text for text in _given(name, tree) if isinstance(text, ast.Constant | ast.JoinedStr))
        case ast.Call(func=ast.Name(id=name)):
            yield from (text for text in _returned(name, tree) if isinstance(text, ast.Constant | ast.JoinedStr))


def _given(name: str, tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                yield value


def _returned(name: str, tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            yield from (each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value)


def _with_holes(text: ast.expr) -> str:
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
