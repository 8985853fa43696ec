"""The lengths our code aims at, kept by the code as it is."""

from pathlib import Path

import pytest
from scripts.shape import FUNCTION_AIM, MODULE_AIM, ROOT, functions, measure, modules, report

SRC = ROOT / "src"


def test_modules_stay_short() -> None:
    """Half of the modules fit two screens, and nearly all can be read in one go."""
    assert measure(modules(SRC).values()).within(MODULE_AIM), report(SRC)


def test_functions_stay_short() -> None:
    """Half of the functions fit in a glance, nearly all on one screen."""
    assert measure(functions(SRC).values()).within(FUNCTION_AIM), report(SRC)


def test_a_long_module_and_a_long_function_are_found(tmp_path: Path) -> None:
    """The two tests above can fail."""
    body = "\n".join(f"    x = {n}" for n in range(400))
    (tmp_path / "long.py").write_text(f"def long() -> None:\n{body}\n")

    assert modules(tmp_path) == {"long.py": 401}
    assert functions(tmp_path) == {"long.py:1 long": 401}
    assert not measure(functions(tmp_path).values()).within(FUNCTION_AIM)
    assert "401  long.py:1 long" in report(tmp_path)


def test_a_docstring_does_not_count(tmp_path: Path) -> None:
    """Explaining a function never makes it too long."""
    (tmp_path / "m.py").write_text('async def f() -> None:\n    """One.\n\n    Two.\n    """\n    return\n')

    assert functions(tmp_path) == {"m.py:1 f": 2}


def test_empty_modules_do_not_pull_the_median_down(tmp_path: Path) -> None:
    """An empty __init__.py says nothing about how we write."""
    (tmp_path / "__init__.py").touch()
    (tmp_path / "m.py").write_text("x = 1\n")

    assert modules(tmp_path) == {"m.py": 1}


@pytest.mark.parametrize(("lines", "expected"), [([7], (7, 7)), ([1, 2, 3], (2, 2.9)), (range(1, 102), (51, 96))])
def test_median_and_95th_percentile(lines: list[int], expected: tuple[float, float]) -> None:
    """The percentile lies between neighbours, as statistics.quantiles takes it inclusively."""
    found = measure(lines)
    assert (found.median, found.p95) == pytest.approx(expected)
