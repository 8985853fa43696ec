"""One row for each request of a load test, in requests.csv: every request, as its client saw it."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO


@dataclass(frozen=True, slots=True)
class Record:
    """`began_s` by the monotonic clock, which all processes of a machine share; `at` by the wall clock, UTC.

    `latency_s` until the whole answer was there, or until it failed. `color` and `release` by the answer's head, empty
    without one; `status` is 0 then. Of a stream: `first_token_s` after it began, and `gaps_ms` between its pieces of
    text as they arrived. `tokens` by the answer's own usage, None where it tells none. `failure` is empty for a right
    answer.
    """

    at: str
    began_s: float
    user_class: str
    request: str
    color: str
    release: str
    status: int
    latency_s: float
    first_token_s: float | None
    tokens: int | None
    bytes: int
    gaps_ms: tuple[float, ...]
    failure: str

    @property
    def ended_s(self) -> float:
        return self.began_s + self.latency_s

    def row(self) -> dict[str, Any]:
        """As text of CSV; None is empty."""
        return asdict(self) | {
            "began_s": f"{self.began_s:.6f}",
            "latency_s": f"{self.latency_s:.6f}",
            "first_token_s": "" if self.first_token_s is None else f"{self.first_token_s:.6f}",
            "tokens": "" if self.tokens is None else self.tokens,
            "gaps_ms": " ".join(f"{gap:.3f}" for gap in self.gaps_ms),
        }

    @classmethod
    def of(cls, row: dict[str, str]) -> "Record":
        """The inverse of `row`. Raises ValueError or KeyError for anything else."""
        return cls(
            at=row["at"],
            began_s=float(row["began_s"]),
            user_class=row["user_class"],
            request=row["request"],
            color=row["color"],
            release=row["release"],
            status=int(row["status"]),
            latency_s=float(row["latency_s"]),
            first_token_s=float(row["first_token_s"]) if row["first_token_s"] else None,
            tokens=int(row["tokens"]) if row["tokens"] else None,
            bytes=int(row["bytes"]),
            gaps_ms=tuple(map(float, row["gaps_ms"].split())),
            failure=row["failure"],
        )


COLUMNS = tuple(field.name for field in fields(Record))
LONGEST_FIELD = 2**31 - 1  # the gaps of one long stream are more than the 128 kB that csv takes by itself


class Writer:
    """Each record is in the file when `write` returns."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._rows = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        self._rows.writeheader()
        file.flush()

    def write(self, record: Record) -> None:
        self._rows.writerow(record.row())
        self._file.flush()


def read(path: Path) -> list[Record]:
    """In the order in which their clients began. Raises ValueError for a file that is none."""
    csv.field_size_limit(LONGEST_FIELD)
    with path.open(newline="", encoding="utf-8") as file:
        return sorted(_records(path, csv.DictReader(file)), key=lambda record: record.began_s)


def _records(path: Path, rows: Iterable[dict[str, str]]) -> Iterator[Record]:
    for number, row in enumerate(rows, 1):
        try:
            yield Record.of(row)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: row {number} is no record of a request: {row}") from error


def utc(seconds: float) -> str:
    """RFC 3339 with milliseconds, of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
