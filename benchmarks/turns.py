"""Measure things that take turns, so that whatever else the machine does is in the figures of all of them."""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from benchmarks.closed_loop import Figures, Run
from benchmarks.load import Load
from benchmarks.servers import Server, load_average
from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Case:
    """A load on a server; cases of the same `group` are compared."""

    group: str
    name: str
    server: Server
    load: Load


@dataclass(frozen=True, slots=True)
class Busy:
    """Processors that were used in a run; `others` by anything but the server, when it was started here, and us."""

    server: float
    others: float


@dataclass(slots=True)
class Measured:
    case: Case
    figures: list[Figures] = field(default_factory=list)
    busy: list[Busy] = field(default_factory=list)

    def median(self, name: str) -> float:
        return float(median(getattr(figures, name) for figures in self.figures))

    def each(self, name: str) -> int:
        """The mean of a request."""
        requests = sum(figures.requests for figures in self.figures)
        total: int = sum(getattr(figures, name) for figures in self.figures)
        return round(total / max(requests, 1))

    @property
    def failed(self) -> dict[str, int]:
        kinds = {kind for figures in self.figures for kind in figures.failed}
        return {kind: sum(figures.failed.get(kind, 0) for figures in self.figures) for kind in kinds}


def take_turns(cases: Sequence[Case], rounds: int, told: Path | None = None) -> list[Measured]:
    """Each case `rounds` times, in an order that is reversed each time, after a round that does not count.

    Prompts are other ones in each round, and the same for the cases of a group. `told`: a file that gets a line for
    each run.
    """
    found = [Measured(case) for case in cases]
    for number, measured in order(found, rounds):
        figures, busy = once(measured.case, number)
        if number:
            measured.figures.append(figures)
            measured.busy.append(busy)
        if told:
            line = {"group": measured.case.group, "name": measured.case.name, "round": number}
            with told.open("a") as file:
                file.write(json.dumps(line | {"busy": asdict(busy)} | asdict(figures)) + "\n")
    return found


def order(found: list[Measured], rounds: int) -> Iterator[tuple[int, Measured]]:
    for number in range(rounds + 1):
        yield from ((number, measured) for measured in (found if number % 2 else reversed(found)))


def once(case: Case, number: int) -> tuple[Figures, Busy]:
    load = replace(case.load, seed=f"{case.load.seed}/{case.group}/{number}")
    began, server, machine = time.monotonic(), case.server.cpu_s(), machine_cpu_s()
    figures = asyncio.run(Run(load).against(case.server.url))
    seconds = time.monotonic() - began
    used = (case.server.cpu_s() - server) / seconds
    busy = Busy(used, (machine_cpu_s() - machine) / seconds - used - figures.client_cpu)
    told = f"{figures.tokens_per_s:.1f} tokens/s, {busy.others:.2f} processors used by others"
    sys.stderr.write(f"round {number}, {case.group}, {case.name}: {told}\n")
    return figures, busy


def machine_cpu_s() -> float:
    """Seconds that all processors were not idle."""
    times = psutil.cpu_times()._asdict()
    idle = sum(times.get(name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
    return float(sum(times.values()) - idle)


COLUMNS: dict[str, Callable[[Measured], Any]] = {
    "tokens/s": lambda found: found.median("tokens_per_s"),
    "together s": lambda found: found.median("together_s"),
    "first p50 s": lambda found: found.median("first_p50_s"),
    "p95 s": lambda found: found.median("first_p95_s"),
    "gap p50 ms": lambda found: 1000 * found.median("gap_p50_s"),
    "p95 ms": lambda found: 1000 * found.median("gap_p95_s"),
    "max ms": lambda found: 1000 * max(figures.gap_max_s for figures in found.figures),
    "prompt": lambda found: found.each("prompt_tokens"),
    "cached": lambda found: found.each("cached_tokens"),
    "server cpu": lambda found: median(busy.server for busy in found.busy),
    "client cpu": lambda found: found.median("client_cpu"),
    "others": lambda found: median(busy.others for busy in found.busy),
    "short": lambda found: sum(figures.short for figures in found.figures),
    "failed": lambda found: found.failed or "",
}
RATIOS = ("tokens/s", "together s", "first p50 s", "p95 s", "gap p50 ms", "p95 ms", "max ms")


def show(found: Sequence[Measured]) -> None:
    """A row for each case, and below those of a group the ratios of its first to its last."""
    table = Table("", "", *COLUMNS, title=load_average())
    for group, several in groupby(found, lambda measured: measured.case.group):
        rows = list(several)
        for measured in rows:
            table.add_row(group, measured.case.name, *(written(tell(measured)) for tell in COLUMNS.values()))
        if len(rows) > 1:
            table.add_row(group, "ratio", *(ratio(name, rows[0], rows[-1]) for name in COLUMNS), end_section=True)
    Console(width=160).print(table)


def ratio(column: str, first: Measured, last: Measured) -> str:
    if column not in RATIOS:
        return ""
    tell = COLUMNS[column]
    return f"{tell(first) / (tell(last) or 1):.2f}"


def written(value: Any) -> str:
    match value:
        case float():
            return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
        case _:
            return str(value)


def add_turns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="append a line for each run to this file")
