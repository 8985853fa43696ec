"""Print how long our modules and functions are, beside what we aim at: `make shape`, or shape.py FOLDER.

A module counts its lines as they are; a function from its `def` to its last line, without its docstring, so that
explaining never costs.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Lengths:
    """The middle and the long end of some lengths."""

    count: int
    median: float
    p95: float

    def within(self, aim: "Lengths") -> bool:
        return self.median <= aim.median and self.p95 <= aim.p95


MODULE_AIM = Lengths(count=0, median=100, p95=250)
FUNCTION_AIM = Lengths(count=0, median=8, p95=30)


def measure(lines: Iterable[int]) -> Lengths:
    """Raises statistics.StatisticsError when there are no lengths at all."""
    found = sorted(lines)
    p95 = quantiles(found, n=20, method="inclusive")[-1] if len(found) > 1 else found[0]
    return Lengths(len(found), median(found), p95)


def modules(folder: Path) -> dict[str, int]:
    """Lines of each module that has any."""
    counted = {str(path.relative_to(folder)): len(path.read_text().splitlines()) for path in folder.rglob("*.py")}
    return {name: lines for name, lines in counted.items() if lines}


def functions(folder: Path) -> dict[str, int]:
    """Lines of each function and method, nested ones too, by `module:line name`."""
    return {
        f"{path.relative_to(folder)}:{node.lineno} {node.name}": _length(node)
        for path in folder.rglob("*.py")
        for node in _definitions(ast.parse(path.read_text()))
    }


def _definitions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    whole = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node, clean=False) is None:
        return whole
    docstring = node.body[0]
    return whole - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)


def report(folder: Path) -> str:
    """The figures and the longest of each kind."""
    blocks = []
    for kind, lengths, aim in (
        ("modules", modules(folder), MODULE_AIM),
        ("functions", functions(folder), FUNCTION_AIM),
    ):
        found = measure(lengths.values())
        longest = sorted(lengths.items(), key=lambda item: -item[1])[:5]
        blocks.append(
            f"{kind}: {found.count}, median {found.median:g} lines (aim {aim.median:g}),"
            f" 95th percentile {found.p95:.0f} (aim {aim.p95:g})\n"
            + "".join(f"  {lines:4}  {name}\n" for name, lines in longest)
        )
    return "\n".join(blocks)


if __name__ == "__main__":
    sys.stdout.write(report(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "src"))
