"""A run in figures: what the pages show, and what is kept beside them for whoever lists or compares runs."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import msgspec
from loadtest.records import Record
from loadtest.report.figures import Reason, groups, reasons
from loadtest.report.phases import Phase, phases
from loadtest.rig.folders import SUMMARY
from loadtest.rig.values import Kind, Run

HEALTH = "HealthWatcher"


@dataclass(frozen=True, slots=True)
class Memory:
    """The most that a process held during the run."""

    private_bytes: int
    rss_bytes: int


@dataclass(frozen=True, slots=True)
class Summary:
    """`verdict` is empty when nothing failed, else says what did."""

    requests: int
    failed: int
    by_color: dict[str, int]
    chat_by_color: dict[str, int]  # questions about health left out, as the edge does
    by_class: dict[str, int]
    by_release: dict[str, int]
    failures: tuple[Reason, ...]
    phases: tuple[Phase, ...]
    memory: dict[str, Memory]
    verdict: tuple[str, ...]


def summary(run: Run, records: list[Record], memory: dict[str, Memory]) -> Summary:
    failed = sum(bool(record.failure) for record in records)
    return Summary(
        requests=len(records),
        failed=failed,
        by_color={color or "none": len(found) for color, found in groups(records, lambda it: it.color).items()},
        chat_by_color=dict(sorted(Counter(it.color or "none" for it in records if it.user_class != HEALTH).items())),
        by_class={name: len(found) for name, found in groups(records, lambda it: it.user_class).items()},
        by_release={number or "none": len(found) for number, found in groups(records, lambda it: it.release).items()},
        failures=tuple(reasons(records)),
        phases=tuple(phases(records, run)),
        memory=memory,
        verdict=verdict(run, len(records), failed),
    )


def verdict(run: Run, requests: int, failed: int) -> tuple[str, ...]:
    """All that failed, in words. A run without requests has shown nothing."""
    found = [f"{failed} of {requests} requests failed"] if failed or not requests else []
    for operation in run.operations if run.kind is not Kind.TRAFFIC else ():  # others' are their own affair
        if not operation.succeeded:
            outcome = operation.outcome or f"exit code {operation.exit_code}"
            found.append(f"`{operation.command}`: {outcome}; {operation.reason}".rstrip("; "))
    return (*found, *run.problems)


def write(folder: Path, found: Summary) -> None:
    (folder / SUMMARY).write_bytes(msgspec.json.format(msgspec.json.encode(found)))


def read(folder: Path) -> Summary:
    return msgspec.json.decode((folder / SUMMARY).read_bytes(), type=Summary)
