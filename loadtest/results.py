"""List what is in results/, by time, with the key figures.

python -m loadtest.results
"""

import argparse
import sys
from pathlib import Path

import msgspec
from loadtest.report import summary
from loadtest.report.phases import Phase
from loadtest.report.tables import number
from loadtest.rig.folders import RESULTS, SUMMARY, all_of
from rich.console import Console
from rich.table import Table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtest.results", description="the results there are")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the folders are")
    folder = parser.parse_args().results
    table = Table("result", "requests", "failed", "p95 ms", "verdict")
    for path in all_of(folder):
        table.add_row(path.name, *row(path))
    Console(width=None if sys.stdout.isatty() else 160).print(table if table.row_count else f"nothing in {folder} yet")
    return 0


def row(path: Path) -> tuple[str, str, str, str]:
    """What is told of a result; one whose run did not come to its end says so."""
    if not (path / SUMMARY).is_file():
        return "", "", "", "no report: it was not finished"
    try:
        found = summary.read(path)
    except msgspec.MsgspecError as error:
        return "", "", "", f"its {SUMMARY} cannot be read: {error}"
    return f"{found.requests:,}", f"{found.failed:,}", "; ".join(map(_p95, found.phases)), _verdict(found.verdict)


def _p95(phase: Phase) -> str:
    value = phase.figures.p95_s
    return f"{phase.name} {number(None if value is None else 1000 * value) or '-'}"


def _verdict(problems: tuple[str, ...]) -> str:
    return "; ".join(problems) or "nothing failed"


if __name__ == "__main__":
    sys.exit(main())
