"""Before, during and after: which part of a run each request belongs to. Pure.

*During* is from an operation's start, when it was accepted, to its end, when it told its outcome. A request belongs to
the first operation that any part of it lies in; else to the time before, between or after them. So a request that was
under way when a deployment began is its, and what is left was touched by none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtest.records import Record
from loadtest.report.figures import Figures, figures, rate
from loadtest.rig.values import Operation, Run

ANSWERS = "POST "  # what is asked so is answered by the model


@dataclass(frozen=True, slots=True)
class Phase:
    """`rate_per_s` is of the requests that ended within it; the figures are of those that belong to it.

    `answers` are those of the model: health and history come in another time, and would hide them.
    """

    name: str
    began_s: float
    ended_s: float
    rate_per_s: float
    figures: Figures
    answers: Figures
    of_requests: dict[str, Figures]  # by class and request

    @property
    def seconds(self) -> float:
        return self.ended_s - self.began_s


@dataclass(frozen=True, slots=True)
class Interval:
    name: str
    began_s: float
    ended_s: float
    is_operation: bool = False

    def touches(self, record: Record) -> bool:
        return record.began_s < self.ended_s and record.ended_s > self.began_s


def intervals(began_s: float, ended_s: float, operations: Sequence[Operation]) -> list[Interval]:
    """In the order of time. Operations do not overlap: the service runs one at a time."""
    found, last_s = [], began_s
    for number, operation in enumerate(operations):
        found.append(Interval("between" if number else "before", last_s, operation.began_s))
        found.append(Interval(f"during {operation.kind}", operation.began_s, operation.ended_s, is_operation=True))
        last_s = operation.ended_s
    found.append(Interval("after" if operations else "whole run", last_s, max(last_s, ended_s)))
    return found


def place(record: Record, parts: Sequence[Interval]) -> int:
    """The number of the interval it belongs to."""
    for number, part in enumerate(parts):
        if part.is_operation and part.touches(record):
            return number
    later = (number for number, part in enumerate(parts) if not part.is_operation and record.began_s < part.ended_s)
    return next(later, len(parts) - 1)


def phases(records: Iterable[Record], run: Run) -> list[Phase]:
    everything = list(records)
    parts = intervals(run.began_s, run.ended_s, run.operations)
    members: list[list[Record]] = [[] for _ in parts]
    for record in everything:
        members[place(record, parts)].append(record)
    return [_phase(part, own, everything) for part, own in zip(parts, members, strict=True)]


def kind_of(record: Record) -> str:
    return f"{record.user_class}: {record.request}"


def _phase(part: Interval, own: list[Record], everything: list[Record]) -> Phase:
    kinds = sorted({kind_of(record) for record in everything})
    return Phase(
        name=part.name,
        began_s=part.began_s,
        ended_s=part.ended_s,
        rate_per_s=rate(everything, part.began_s, part.ended_s),
        figures=figures(own),
        answers=figures([record for record in own if record.request.startswith(ANSWERS)]),
        of_requests={kind: figures([record for record in own if kind_of(record) == kind]) for kind in kinds},
    )
