"""results/: a folder for each run, named after when it began and what it was."""

import os
import time
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import msgspec
from loadtest.rig.errors import Misuse
from loadtest.rig.values import Run

RESULTS = Path(__file__).resolve().parents[2] / "results"
RUN, SUMMARY = "run.json", "summary.json"  # of a load test
OPERATION = "operation.json"  # of a monitored deployment


def check(results: Path) -> None:
    """Make the folder of all results if there is none. Raises Misuse when it cannot be made or written to."""
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misuse(f"results cannot be kept in {results}: {error.strerror}; name a folder with RESULTS") from error
    if not os.access(results, os.W_OK):
        raise Misuse(f"results cannot be kept in {results}: it is read-only; name a folder with RESULTS")


def new(results: Path, kind: str) -> Path:
    """An empty folder that nobody else has. Raises Misuse when `results` does not take one."""
    check(results)
    stamp = datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in count(1):
        folder = results / (f"{stamp}-{kind}" if number == 1 else f"{stamp}-{number}-{kind}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("there is always a next number")


def all_of(results: Path) -> list[Path]:
    """By time, the oldest first."""
    return sorted(path for path in results.glob("*-*") if path.is_dir())


def chosen(results: Path, named: str) -> Path:
    """The one that is named, by its path or its name in `results`, or else the latest load test."""
    if named:
        found = [path for path in (Path(named), results / named) if (path / RUN).is_file()]
        if not found:
            raise Misuse(f"{named} is no folder of a load test: `make results` lists those there are")
        return found[0]
    runs = [path for path in all_of(results) if (path / RUN).is_file()]
    if not runs:
        raise Misuse(f"there are no results in {results} yet: `make test-deploy-load` makes some")
    return runs[-1]


def write_run(folder: Path, run: Run) -> None:
    (folder / RUN).write_bytes(msgspec.json.format(msgspec.json.encode(run)))


def read_run(folder: Path) -> Run:
    """Raises ValueError for a file that is none."""
    try:
        return msgspec.json.decode((folder / RUN).read_bytes(), type=Run)
    except msgspec.MsgspecError as error:
        raise ValueError(f"{folder / RUN} does not tell of a run: {error}") from error
