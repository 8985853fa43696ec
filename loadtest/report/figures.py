"""The statistics of load tests. Pure, and each defined in one place.

A percentile is by nearest rank: of n values in their order, number ceil(share * n), counted from 1. It is a value that
was measured, never one between two.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from loadtest.records import Record

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least `share` (over 0, to 1) of the values do not exceed. None of no values."""
    if not 0 < share <= 1:
        raise ValueError(f"a share is over 0 and up to 1, not {share}")
    if not values:
        return None
    # Without the rounding, 0.07 * 100 would ask for number 8.
    return sorted(values)[math.ceil(round(share * len(values), 9)) - 1]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of some requests. Latency is that of right answers; times to first token are those of all streams that had one.

    `gap_…`: between pieces of text of one stream, all gaps of all streams together.
    """

    requests: int
    failed: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None
    slowest_s: float | None
    first_token_p50_s: float | None
    first_token_p95_s: float | None
    gap_p50_ms: float | None
    gap_p95_ms: float | None
    gap_longest_ms: float | None


def figures(records: Sequence[Record]) -> Figures:
    latency = [record.latency_s for record in records if not record.failure]
    first = [record.first_token_s for record in records if record.first_token_s is not None]
    gaps = [gap for record in records for gap in record.gaps_ms]
    return Figures(
        requests=len(records),
        failed=sum(bool(record.failure) for record in records),
        p50_s=percentile(latency, 0.50),
        p95_s=percentile(latency, 0.95),
        p99_s=percentile(latency, 0.99),
        slowest_s=max(latency, default=None),
        first_token_p50_s=percentile(first, 0.50),
        first_token_p95_s=percentile(first, 0.95),
        gap_p50_ms=percentile(gaps, 0.50),
        gap_p95_ms=percentile(gaps, 0.95),
        gap_longest_ms=max(gaps, default=None),
    )


def groups(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Items by what `key` says of them, in the order in which each was first met."""
    found: dict[Key, list[Item]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def per_second(records: Iterable[Record], began_s: float, ended_s: float, width_s: float = 1.0) -> list[float]:
    """How many ended in a second, in each whole stretch of `width_s`; those that ended outside of them do not count."""
    stretches = max(1, int((ended_s - began_s) / width_s))
    counts = Counter(math.floor((record.ended_s - began_s) / width_s) for record in records)
    return [counts[number] / width_s for number in range(stretches)]


def rate(records: Iterable[Record], began_s: float, ended_s: float) -> float:
    """Requests that ended in the interval, by its seconds; 0 for none."""
    ended = sum(began_s <= record.ended_s < ended_s for record in records)
    return ended / (ended_s - began_s) if ended_s > began_s else 0.0


@dataclass(frozen=True, slots=True)
class Reason:
    """Why requests failed: `what`, without what differs from one to the next, and one of them in full."""

    what: str
    requests: int
    example: str


def reason_of(record: Record) -> str:
    return record.failure.partition(": ")[0]


def reasons(records: Iterable[Record]) -> list[Reason]:
    """The most frequent first."""
    found = groups((record for record in records if record.failure), reason_of)
    told = (Reason(what, len(failed), failed[0].failure) for what, failed in found.items())
    return sorted(told, key=lambda reason: -reason.requests)
