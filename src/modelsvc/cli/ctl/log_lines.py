"""Lines of several logs in the order of their times. Pure: values in, text out.

Each kind of log writes its times in another way. A line without one, such as llama.cpp's, belongs to the one before it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# Ours as JSON, Prometheus', and nginx's, which writes the local time.
_UTC = re.compile(r'(?:"timestamp": "|\b(?:time|ts)=)([0-9T:.+Z-]+)')
_LOCAL = re.compile(r"^(\d{4})/(\d\d)/(\d\d) (\d\d):(\d\d):(\d\d)")
_REQUEST = '"event": "chat"'
_WIDTH = len("supervisor")
_JUST_AFTER = timedelta(milliseconds=50)  # ends are told in whole milliseconds, and logged a moment later
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line, whose log it is in, and when it was written."""

    at: datetime
    source: str
    text: str


def merged(logs: Mapping[str, Sequence[str]]) -> list[LogLine]:
    """All lines by time; those of one log stay in their order."""
    return sorted((line for source, texts in logs.items() for line in _dated(source, texts)), key=lambda line: line.at)


def of_deployment(lines: Iterable[LogLine], started_at: str, finished_at: str | None) -> list[LogLine]:
    """Those of its time, without the ones that tell of a single request."""
    begin = datetime.fromisoformat(started_at)
    end = datetime.fromisoformat(finished_at) + _JUST_AFTER if finished_at else None
    during = (line for line in lines if begin <= line.at and (end is None or line.at <= end))
    return [line for line in during if _REQUEST not in line.text]


def shown(lines: Sequence[LogLine]) -> list[str]:
    """Each with its source before it."""
    return [f"{line.source:<{_WIDTH}} | {line.text}" for line in lines]


def _dated(source: str, texts: Sequence[str]) -> Iterator[LogLine]:
    times = [_time(text) for text in texts]
    at = next((time for time in times if time), BEFORE_ALL)
    for time, text in zip(times, texts, strict=True):
        at = max(at, time or at)  # a clock that was set back must not tear a log apart
        yield LogLine(at, source, text)


def _time(text: str) -> datetime | None:
    """None where there is none that can be read."""
    with suppress(ValueError):
        if found := _LOCAL.match(text):
            year, month, day, hour, minute, second = map(int, found.groups())
            return datetime(year, month, day, hour, minute, second).astimezone()
        if found := _UTC.search(text):
            return datetime.fromisoformat(found.group(1)).astimezone(UTC)
    return None
