"""Every `code` that an error of ours may carry, read from the source.

A code is a text in one of these places:

    class attribute      code = "port_taken", or status, type, code = 403, "forbidden", "not_served"
    keyword              Refused(…, code="disk_full")
    position             HttpError(429, "queue_full", …): whatever has a parameter or a field called `code`
    literal body         {"error": {"code": "internal", …}}
    table                _CODES = {404: ("not_found", …)}

What is none of them, a name or an attribute, passes on a code that is written elsewhere; such places are collected too,
so that a test can see that none is new.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Code:
    """One code at one place: its text, or what is passed on there in place of a text.

    `maker` is the class or function that gets it, `status` the number before it, if any.
    """

    text: str
    place: str
    literal: bool = True
    maker: str = ""
    status: int | None = None


def codes(src: Path) -> list[Code]:
    """All codes in `src`, those that are passed on included."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(src.rglob("*.py"))}
    known = {name: at for tree in trees.values() for name, at in _positions(tree, {}).items()}
    everywhere = {name: at for name, at in known.items() if not name.startswith("_")}
    return [code for path, tree in trees.items() for code in _in_module(path.relative_to(src), tree, everywhere)]


def _in_module(path: Path, tree: ast.Module, everywhere: Mapping[str, int]) -> Iterator[Code]:
    imported = _imported(tree)
    positions = {**{name: at for name, at in everywhere.items() if name in imported}, **_positions(tree, everywhere)}
    for node in ast.walk(tree):
        for value in _values(node, positions):
            for code in _texts(value, f"{path}:{value.lineno}"):
                yield replace(code, maker=_maker(node), status=_status(node))


def _maker(node: ast.AST) -> str:
    match node:
        case ast.ClassDef(name=name):
            return name
        case ast.Call(func=function):
            return _name(function)
    return ""


def _status(node: ast.AST) -> int | None:
    """The last number among the arguments: nginx's own status comes before the client's."""
    given = node.args if isinstance(node, ast.Call) else []
    numbers = [each.value for each in given[:2] if isinstance(each, ast.Constant) and type(each.value) is int]
    return numbers[-1] if numbers else None


def _imported(tree: ast.Module) -> set[str]:
    """Names that the module has from others, itself or as `module.name`; one elsewhere is not meant."""
    found = [alias for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    modules = {alias.asname or alias.name for alias in found}
    through = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _name(node.value) in modules}
    return {alias.name for alias in found} | through


def _values(node: ast.AST, positions: Mapping[str, int]) -> Iterator[ast.expr]:
    """The expressions below this node that are a code."""
    match node:
        case ast.ClassDef(body=body):
            yield from (value for statement in body for value in _class_attribute(statement))
            yield from _to_base(node, positions)
        case ast.Call(func=function, args=arguments, keywords=keywords):
            yield from (keyword.value for keyword in keywords if keyword.arg == "code")
            at = positions.get(_name(function))
            if at is not None and at < len(arguments):
                yield arguments[at]
        case ast.Dict(keys=keys, values=values):
            yield from (value for key, value in zip(keys, values, strict=True) if _is_text(key, "code"))
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict(values=values)) if name.endswith("CODES"):
            yield from (value.elts[0] if isinstance(value, ast.Tuple) else value for value in values)


def _to_base(node: ast.ClassDef, positions: Mapping[str, int]) -> Iterator[ast.expr]:
    """What a class hands to its base: `super().__init__(507, "not_recorded", message)`."""
    at = next((positions[name] for name in map(_name, node.bases) if name in positions), None)
    for inner in ast.walk(node):
        match inner:
            case ast.Call(func=ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr="__init__"), args=given):
                yield from given[at : at + 1] if at is not None else []


def _class_attribute(statement: ast.stmt) -> Iterator[ast.expr]:
    match statement:
        case ast.Assign(targets=[ast.Name(id="code")], value=value):
            yield value
        case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
            yield from (value for name, value in zip(names, values, strict=True) if _name(name) == "code")


def _texts(value: ast.expr, place: str) -> Iterator[Code]:
    """The texts an expression may become; an f-string with its holes as `…`."""
    match value:
        case ast.Constant(value=str(text)):
            yield from [Code(text, place)] if text else []
        case ast.Constant():
            return  # a number or None: no error's
        case ast.JoinedStr(values=parts):
            yield Code("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts), place)
        case ast.BoolOp(values=values):
            yield from (code for each in values for code in _texts(each, place))
        case ast.IfExp(body=body, orelse=orelse):
            yield from (*_texts(body, place), *_texts(orelse, place))
        case ast.Call(func=ast.Name(id="str"), args=[inner]):
            yield from _texts(inner, place)
        case ast.Call(func=ast.Attribute(attr="get"), args=[_, default]):
            yield from _texts(default, place)
        case _:
            yield Code(ast.unparse(value), place, literal=False)


def _positions(tree: ast.Module, known: Mapping[str, int]) -> dict[str, int]:
    """Where `code` stands among the positional arguments of each class and function; subclasses as their bases."""
    found: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, Function) and "code" in (names := _parameters(node)):
            found[node.name] = names.index("code")
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and (at := _of_class(node, {**known, **found})) is not None:
            found[node.name] = at
    found.pop("__init__", None)
    return found


def _of_class(node: ast.ClassDef, known: Mapping[str, int]) -> int | None:
    makers = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    if makers:
        names = _parameters(makers[0])[1:]
        return names.index("code") if "code" in names else None
    fields = [_name(each.target) for each in node.body if isinstance(each, ast.AnnAssign)]
    if "code" in fields:
        return fields.index("code")
    return next((known[name] for name in map(_name, node.bases) if name in known), None)


def _parameters(function: Function) -> list[str]:
    return [argument.arg for argument in function.args.args]


def _name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_text(node: ast.expr | None, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text
