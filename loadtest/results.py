"""List what is in results/, by time, with the key figures.

python -m loadtest.results
"""

import argparse
import sys
from pathlib import Path

import msgspec
from loadtest.report import summary
from loadtest.report.phases import Phase
from loadtest.report.tables import milliseconds, number
from loadtest.rig.folders import OPERATION, RESULTS, all_of
from loadtest.rig.values import Operation
from rich.console import Console
from rich.table import Table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtest.results", description="the results there are")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the folders are")
    folder = parser.parse_args().results
    table = Table("result", "requests", "failed", "p95 of answers, ms", "verdict")
    for path in all_of(folder):
        table.add_row(path.name, *row(path))
    Console(width=None if sys.stdout.isatty() else 160).print(table if table.row_count else f"nothing in {folder} yet")
    return 0


def row(path: Path) -> tuple[str, str, str, str]:
    """What is told of a result; one whose run did not finish says so."""
    try:
        if (path / OPERATION).is_file():
            return "", "", "", _monitored(path / OPERATION)
        found = summary.read(path)
    except FileNotFoundError:
        return "", "", "", "no report: it was not finished"
    except (OSError, msgspec.MsgspecError) as error:
        return "", "", "", f"it cannot be read: {error}"
    return f"{found.requests:,}", f"{found.failed:,}", "; ".join(map(_p95, found.phases)), _verdict(found.verdict)


def _monitored(path: Path) -> str:
    operation = msgspec.json.decode(path.read_bytes(), type=Operation)
    return f"{operation.kind} {operation.outcome or 'refused'} after {operation.seconds:.1f} s"


def _p95(phase: Phase) -> str:
    return f"{phase.name} {number(milliseconds(phase.answers.p95_s)) or '-'}"


def _verdict(problems: tuple[str, ...]) -> str:
    return "; ".join(problems) or "nothing failed"


if __name__ == "__main__":
    sys.exit(main())
