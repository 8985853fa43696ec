"""What the edge answered in between: counted from its access log, as evidence of a deployment."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

READ_LIMIT = 64_000_000
HEALTH_PATHS = ("/healthz", "/ready", "/health/deep", "/metrics")  # whoever asks how we are is no client
HEAD_BYTES = 256  # a line's time and request id tell one log from the next


@dataclass(frozen=True, slots=True)
class EdgeMark:
    """A place in the access log. `head` is how the log began, which a rotation changes."""

    offset: int = 0
    head: bytes = b""


@dataclass(frozen=True, slots=True)
class EdgeTally:
    """Requests that were answered since a mark; `failed` with a status of 500 or more.

    By the colour that answered, "" where nobody did. Not `complete`: the log was rotated meanwhile, or is too long.
    """

    requests: int = 0
    failed: int = 0
    by_color: Mapping[str, int] = field(default_factory=dict)
    failed_by_color: Mapping[str, int] = field(default_factory=dict)
    complete: bool = True


def mark(log: Path) -> EdgeMark:
    """The end of the log."""
    if not log.exists():
        return EdgeMark()
    with log.open("rb") as file:
        head = file.read(HEAD_BYTES)
        return EdgeMark(file.seek(0, 2), head)


def tally(log: Path, since: EdgeMark) -> EdgeTally:
    """Count what was logged since; at most READ_LIMIT bytes are read."""
    if not log.exists():
        return EdgeTally(complete=not since.offset)
    with log.open("rb") as file:
        same = file.read(HEAD_BYTES).startswith(since.head) and file.seek(0, 2) >= since.offset
        file.seek(since.offset if same else 0)
        text = file.read(READ_LIMIT + 1)
    whole = text[: text.rfind(b"\n") + 1]  # the last line may be under way
    return _count(whole.splitlines(), complete=same and len(text) <= READ_LIMIT)


def _count(lines: Iterable[bytes], complete: bool) -> EdgeTally:
    answers = [answer for line in lines if (answer := json.loads(line))["path"] not in HEALTH_PATHS]
    every = Counter(answer["color"] for answer in answers)
    failed = Counter(answer["color"] for answer in answers if answer["status"] >= 500)
    return EdgeTally(every.total(), failed.total(), dict(every), dict(failed), complete)
