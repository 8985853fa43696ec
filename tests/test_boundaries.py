"""Who may import whom. Imports point inward, towards `supervisor.core`, which knows nothing of the outside.

Every import counts: inside functions, under TYPE_CHECKING, relative ones, and `import_module("a.literal.name")`.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"
PROGRAMS = ("benchmarks", "disposable", "loadtest", "scripts", "tools")

# What computes and nothing else: no files, no sockets, no clock, no randomness, no logging.
PURE = [
    "__future__",
    "abc",
    "bisect",
    "collections",
    "copy",
    "dataclasses",
    "enum",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "re",
    "statistics",
    "string",
    "textwrap",
    "types",
    "typing",
]
# The same, reachable without an import.
IMPURE_BUILTINS = {"__import__", "breakpoint", "eval", "exec", "input", "open", "print"}


@dataclass(frozen=True)
class Rule:
    """Modules below `of` import, from what lies below `about`, only what lies below one of `allowed`."""

    of: str
    about: str  # "": everything
    allowed: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()

    def forbids(self, module: str, imported: str) -> bool:
        concerned = below(module, self.of) and not any(below(module, name) for name in self.exempt)
        return concerned and below(imported, self.about) and not any(below(imported, name) for name in self.allowed)


CLIENTS = (
    "supervisor.protocol",
    "supervisor.client",
    "supervisor.paths",
    "supervisor.errors",
    "supervisor.lock",
    "supervisor.own_processes",
)
KNOWING = (*CLIENTS, "supervisor.offline", "supervisor.config")  # who looks after a service that may not run
INSTALLING = (*CLIENTS, "supervisor.config", "supervisor.files", "supervisor.nginx.command")

RULES = (
    Rule("supervisor.core", about="", allowed=(*PURE, "supervisor.core")),
    Rule(
        "supervisor",
        about="modelsvc",
        allowed=(
            "modelsvc.models",
            "modelsvc.keyfile",
            "modelsvc.smaps",
            "modelsvc.process_exit",
            "modelsvc.__version__",
        ),
    ),
    Rule(
        "modelsvc",
        about="supervisor",
        allowed=CLIENTS,
        exempt=("modelsvc.store", "modelsvc.cli.model", "modelsvc.service", "modelsvc.doctor"),
    ),
    Rule("modelsvc.store", about="supervisor", allowed=KNOWING),
    Rule("modelsvc.service", about="supervisor", allowed=INSTALLING),
    Rule("modelsvc.cli.model", about="supervisor", allowed=KNOWING),
    # It judges by what the supervisor itself goes by, and starts none of it.
    Rule("modelsvc.doctor", about="supervisor.loop"),
    Rule("modelsvc.doctor", about="supervisor.executor"),
    Rule("modelsvc.doctor", about="supervisor.parts"),
    Rule("modelsvc.doctor", about="supervisor.service"),
    Rule("modelsvc.doctor", about="supervisor.journal.journal"),  # it would make one, and bring it up to date
    Rule("modelsvc.worker", about="supervisor"),
    Rule("modelsvc.engine", about="supervisor"),
    Rule("modelsvc.worker", about="modelsvc.cli"),  # else the supervisor comes in by that door
    Rule("modelsvc.engine", about="modelsvc.cli"),
    Rule("modelsvc.engine", about="modelsvc.worker"),
    Rule("", about="llama_cpp", exempt=("modelsvc.engine",)),
    Rule("", about="tests"),
)
# Users run these by make, and may not have the tests.
PROGRAM_RULES = (Rule("", about="tests"), Rule("disposable", about="loadtest"), Rule("disposable", about="benchmarks"))


def below(module: str, parent: str) -> bool:
    """A name is below itself and below the empty one."""
    return not parent or module == parent or module.startswith(parent + ".")


def violations(src: Path, rules: tuple[Rule, ...] = RULES, packages: tuple[str, ...] = ("",)) -> list[str]:
    """Every forbidden import in `src` and every impure call in the core, as `path:line: what`.

    `packages`: only in these folders of it.
    """
    paths = (path for package in packages for path in (src / package).rglob("*.py"))
    return sorted(found for path in paths for found in _in_module(src, path, rules))


def _in_module(src: Path, path: Path, rules: tuple[Rule, ...]) -> Iterator[str]:
    module = _module_name(src, path)
    tree = ast.parse(path.read_text())
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for line, imported in _imports(tree, package):
        if any(rule.forbids(module, imported) for rule in rules):
            yield f"{path.relative_to(src)}:{line}: {module} imports {imported}"
    if below(module, "supervisor.core"):
        yield from (f"{path.relative_to(src)}:{line}: {module} calls {name}" for line, name in _impure_calls(tree))


def circle(src: Path) -> list[str]:
    """Modules of which each imports the next one, and the last is the first; empty when there are none."""
    paths = {_module_name(src, path): path for path in src.rglob("*.py")}
    try:
        TopologicalSorter({name: _needed(name, path, set(paths)) for name, path in paths.items()}).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _needed(module: str, path: Path, modules: set[str]) -> set[str]:
    """Those of `modules` that it imports, the package of a name only where the name is no module itself."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    named = (name for _, name in _imports(ast.parse(path.read_text()), package))
    return {name if name in modules else name.rpartition(".")[0] for name in named} & modules - {module}


def _module_name(src: Path, path: Path) -> str:
    parts = path.relative_to(src).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(tree: ast.Module, package: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(names=names):
                # Whether a name is a submodule cannot be told here, and need not be: the rules go by prefix.
                origin = _origin(node, package)
                yield from ((node.lineno, f"{origin}.{alias.name}") for alias in names)
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if _called(function) in {
                "import_module",
                "__import__",
            }:
                yield node.lineno, name


def _origin(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parents = package.split(".")
    base = parents[: len(parents) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)


def _impure_calls(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_BUILTINS:
            yield node.lineno, node.func.id


def _called(function: ast.expr) -> str | None:
    match function:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


def test_the_source_keeps_to_the_rules() -> None:
    """Imports point inward."""
    assert violations(SRC) == []


def test_no_module_needs_one_that_needs_it() -> None:
    """Each can be read, and replaced, with what it imports alone."""
    assert circle(SRC) == []


def test_a_planted_circle_is_found(tmp_path: Path) -> None:
    """The test above can fail, also where the import waits within a function."""
    for name, code in {"a": "from p.b import f", "b": "def f():\n    from p import c", "c": "import p.a"}.items():
        (tmp_path / "p").mkdir(exist_ok=True)
        (tmp_path / "p" / f"{name}.py").write_text(code)

    assert set(circle(tmp_path)) == {"p.a", "p.b", "p.c"}


def test_programs_do_not_depend_on_the_tests() -> None:
    """What both need is in `disposable`, which knows neither."""
    assert violations(ROOT, PROGRAM_RULES, PROGRAMS) == []


@pytest.mark.parametrize(
    ("module", "code", "found"),
    [
        ("loadtest/rig/a.py", "from tests.support.b import c", "loadtest.rig.a imports tests.support.b.c"),
        ("benchmarks/a.py", "def f():\n    import tests", "benchmarks.a imports tests"),
        ("disposable/a.py", "from loadtest.traffic import Traffic", "disposable.a imports loadtest.traffic.Traffic"),
    ],
)
def test_a_program_that_imports_tests_is_found(tmp_path: Path, module: str, code: str, found: str) -> None:
    """The test above can fail."""
    path = tmp_path / module
    path.parent.mkdir(parents=True)
    path.write_text(code)

    (violation,) = violations(tmp_path, PROGRAM_RULES, PROGRAMS)
    assert violation.endswith(found)


@pytest.mark.parametrize(
    ("module", "code", "found"),
    [
        ("supervisor/core/a.py", "import time", "supervisor.core.a imports time"),
        ("supervisor/core/a.py", "import os.path as p", "supervisor.core.a imports os.path"),
        ("supervisor/core/a.py", "import structlog", "supervisor.core.a imports structlog"),
        ("supervisor/core/a.py", "def f():\n    from pathlib import Path", "supervisor.core.a imports pathlib.Path"),
        ("supervisor/core/a.py", "from supervisor import journal", "supervisor.core.a imports supervisor.journal"),
        ("supervisor/core/a.py", "from .. import journal", "supervisor.core.a imports supervisor.journal"),
        ("supervisor/core/__init__.py", "from ..loop import Loop", "supervisor.core imports supervisor.loop.Loop"),
        ("supervisor/core/a.py", "open('/etc/hosts')", "supervisor.core.a calls open"),
        ("supervisor/loop.py", "from modelsvc.worker import app", "supervisor.loop imports modelsvc.worker.app"),
        ("supervisor/loop.py", "import modelsvc.cli", "supervisor.loop imports modelsvc.cli"),
        ("modelsvc/cli/up.py", "from supervisor.loop import Loop", "modelsvc.cli.up imports supervisor.loop.Loop"),
        ("modelsvc/cli/up.py", "from supervisor import core", "modelsvc.cli.up imports supervisor.core"),
        ("modelsvc/cli/up.py", "import importlib as i\ni.import_module('supervisor.loop')", "imports supervisor.loop"),
        ("modelsvc/store/a.py", "from supervisor.journal import x", "modelsvc.store.a imports supervisor.journal.x"),
        ("modelsvc/doctor/a.py", "from supervisor.loop import Loop", "modelsvc.doctor.a imports supervisor.loop.Loop"),
        ("modelsvc/worker/a.py", "import supervisor.protocol", "modelsvc.worker.a imports supervisor.protocol"),
        ("modelsvc/worker/a.py", "from modelsvc.cli import x", "modelsvc.worker.a imports modelsvc.cli.x"),
        ("modelsvc/engine/a.py", "from supervisor.paths import x", "modelsvc.engine.a imports supervisor.paths.x"),
        ("modelsvc/worker/a.py", "import llama_cpp.llama_cpp", "modelsvc.worker.a imports llama_cpp.llama_cpp"),
        ("supervisor/memory/usage.py", "import llama_cpp", "supervisor.memory.usage imports llama_cpp"),
        ("modelsvc/a.py", "from tests import support", "modelsvc.a imports tests.support"),
    ],
)
def test_a_planted_violation_is_found(tmp_path: Path, module: str, code: str, found: str) -> None:
    """The test above can fail."""
    path = tmp_path / module
    path.parent.mkdir(parents=True)
    path.write_text(code)

    assert len(violations(tmp_path)) == 1
    assert violations(tmp_path)[0].endswith(found)


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("supervisor/core/a.py", "from collections.abc import Mapping\nfrom supervisor.core.state import Color"),
        ("supervisor/core/a.py", "from . import state\nfrom .state import Color"),
        ("supervisor/loop.py", "import asyncio\nfrom supervisor.core import planner\nfrom modelsvc import models"),
        ("supervisor/loop.py", "from modelsvc import __version__\nfrom modelsvc.models import DEMO"),
        ("modelsvc/cli/up.py", "from supervisor.client import ControlClient\nfrom supervisor import errors, protocol"),
        ("modelsvc/store/a.py", "from supervisor import config, offline"),
        ("modelsvc/doctor/a.py", "from supervisor.nginx import command\nfrom supervisor.core import ledger"),
        ("modelsvc/worker/a.py", "from modelsvc.engine import engine\nimport litestar"),
        ("modelsvc/engine/library.py", "import importlib\nimportlib.import_module('llama_cpp.llama_cpp')"),
        ("supervisorish/core.py", "import time"),
    ],
)
def test_what_the_rules_allow_is_not_reported(tmp_path: Path, module: str, code: str) -> None:
    """The rules stop at whole names and know what is pure."""
    path = tmp_path / module
    path.parent.mkdir(parents=True)
    path.write_text(code)

    assert violations(tmp_path) == []
