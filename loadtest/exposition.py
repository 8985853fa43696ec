"""What changed between two scrapes of one process's metrics. Pure.

Counters, and what histograms and summaries count, only grow while a process lives: their difference is what happened
meanwhile, and all there is when the process is another one than before. Gauges are told as they were and are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

GROWING = frozenset({"counter", "histogram", "summary"})


class Series(NamedTuple):
    """`labels` in the order of their names."""

    name: str
    labels: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        told = ",".join(f'{name}="{value}"' for name, value in self.labels)
        return f"{self.name}{{{told}}}" if told else self.name


@dataclass(frozen=True, slots=True)
class Value:
    kind: str  # counter, gauge, histogram, summary, unknown, …
    value: float


@dataclass(frozen=True, slots=True)
class Change:
    """None: there was no such series. `grown_by` is None of what does not only grow."""

    series: Series
    before: float | None
    after: float | None
    grown_by: float | None


Scrape = dict[Series, Value]


def parse(text: str) -> Scrape:
    """All series of an exposition. Raises ValueError for what is none."""
    return {
        Series(sample.name, tuple(sorted(sample.labels.items()))): Value(family.type, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def changes(before: Scrape, after: Scrape, *, same_process: bool) -> list[Change]:
    """Of every series that is not as it was, by name. Buckets are left out: sum and count say enough in a table."""
    series = sorted({*before, *after}, key=str)
    found = (_change(each, before.get(each), after.get(each), same_process) for each in _told(series))
    return [
        change for change in found if change.grown_by or (change.grown_by is None and change.before != change.after)
    ]


def _told(series: Iterable[Series]) -> Iterable[Series]:
    return (each for each in series if not each.name.endswith(("_bucket", "_created")))


def _change(series: Series, before: Value | None, after: Value | None, same_process: bool) -> Change:
    was, now = before.value if before else None, after.value if after else None
    if after is None or after.kind not in GROWING:
        return Change(series, was, now, None)
    since = was if was is not None and same_process and was <= after.value else 0.0
    return Change(series, was, now, after.value - since)
