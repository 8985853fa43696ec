"""What the edge answered in between: counted from its access log, as evidence of a deployment."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.nginx.access_log import HEAD_BYTES, EdgeMark, parse, whole_lines

READ_LIMIT = 64_000_000


@dataclass(frozen=True, slots=True)
class EdgeTally:
    """Requests that were answered since a mark; `failed` with a status of 500 or more.

    By the colour that answered, "" where nobody did. Not `complete`: the log was rotated meanwhile, is too long, or has
    lines that cannot be read.
    """

    requests: int = 0
    failed: int = 0
    by_color: Mapping[str, int] = field(default_factory=dict)
    failed_by_color: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True


def tally(log: Path, since: EdgeMark) -> EdgeTally:
    """Count what was logged since; at most READ_LIMIT bytes are read."""
    if not log.exists():
        return EdgeTally(complete=not since.offset)
    with log.open("rb") as file:
        same = file.read(HEAD_BYTES).startswith(since.head) and file.seek(0, 2) >= since.offset
        file.seek(since.offset if same else 0)
        text = file.read(READ_LIMIT + 1)
    return _count(whole_lines(text).splitlines(), complete=same and len(text) <= READ_LIMIT)


def _count(lines: Sequence[bytes], complete: bool) -> EdgeTally:
    entries = [entry for line in lines if (entry := parse(line))]
    answers = [entry for entry in entries if entry.is_clients]
    every = Counter(str(entry.color or "") for entry in answers)
    failed = Counter(str(entry.color or "") for entry in answers if entry.status >= 500)
    complete = complete and len(entries) == len(lines)
    return EdgeTally(every.total(), failed.total(), dict(every), dict(failed), complete)
