"""nginx's log of answers: its lines as values, and a follower of what it gains.

The log is emptied in place when it has grown too long, after it was copied aside (`supervisor.logs.rotate_in_place`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from supervisor.core.state import Color
from supervisor.logs import KEPT

READ_BYTES = 300_000  # at once: some 1,000 lines, which take followers a few milliseconds
HEAD_BYTES = 256  # a line's time and request id tell one log from the next
# Whoever asks how we are is no client.
HEALTH_PATHS = frozenset({"/healthz", "/ready", "/health", "/v1/health", "/health/deep", "/metrics"})

PREFLIGHT = ("OPTIONS", 204)  # as the edge answers it


@dataclass(frozen=True, slots=True)
class EdgeEntry:
    """One answer, as the client saw it.

    `at`: its end, in Unix seconds, whole ones. `seconds`: from the first byte of the request to the last of the answer.
    `color` is None where no worker answered.
    """

    at: float
    color: Color | None
    status: int
    seconds: float
    method: str = ""
    path: str = ""
    request_id: str = ""

    @property
    def is_clients(self) -> bool:
        """Whether a client asks for something: it is no question about health, and no browser's about an origin."""
        asks_for_health = (self.path.rstrip("/") or "/") in HEALTH_PATHS
        return not asks_for_health and (self.method, self.status) != PREFLIGHT


class _Line(msgspec.Struct):
    time: str
    status: int
    seconds: float
    color: str
    method: str
    path: str
    request_id: str


_decoder = msgspec.json.Decoder(_Line)
_COLORS = {str(color): color for color in Color}


def parse(line: bytes) -> EdgeEntry | None:
    """None for what is no line of ours. A path may have any bytes in it."""
    try:
        told = _decoder.decode(line.decode(errors="replace"))
        at = datetime.fromisoformat(told.time).timestamp()
    except ValueError:  # msgspec's errors are some
        return None
    return EdgeEntry(at, _COLORS.get(told.color), told.status, told.seconds, told.method, told.path, told.request_id)


@dataclass(frozen=True, slots=True)
class EdgeMark:
    """A place in the access log. `head` is how the log began, which a rotation changes."""

    offset: int = 0
    head: bytes = b""


def mark(log: Path) -> EdgeMark:
    """The end of the log."""
    if not log.exists():
        return EdgeMark()
    with log.open("rb") as file:
        head = file.read(HEAD_BYTES)
        return EdgeMark(file.seek(0, 2), head)


def whole_lines(text: bytes) -> bytes:
    """Without the last line, where that is still being written."""
    return text[: text.rfind(b"\n") + 1]


class LogFollower:
    """What the log gains from the follower's making on.

    Lines that were copied aside before they were read are read there; those written while the log was emptied are lost.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._place = mark(log)

    def gained(self) -> list[bytes]:
        """The lines since the last call, or the first READ_BYTES of them. Blocks. Raises OSError."""
        if not self._log.exists():
            return []
        with self._log.open("rb") as file:
            head = file.read(HEAD_BYTES)
            same = head.startswith(self._place.head) and file.seek(0, 2) >= self._place.offset
            before = b"" if same else b"".join(self._left_behind())
            start = file.seek(self._place.offset if same else 0)
            text = whole_lines(file.read(READ_BYTES))
        self._place = EdgeMark(start + len(text), head)
        return [*before.splitlines(), *text.splitlines()]

    def _left_behind(self) -> Iterator[bytes]:
        """The rest of the log that was followed, and every later one, oldest first; nothing when it is gone."""
        texts: list[bytes] = []
        for number in range(KEPT + 1):  # upwards, as they are being renamed
            copy = self._log.with_name(f"{self._log.name}.{number}")
            if not copy.exists():
                continue
            with copy.open("rb") as file:
                if file.read(HEAD_BYTES).startswith(self._place.head):
                    file.seek(self._place.offset)
                    return iter([whole_lines(file.read()), *reversed(texts)])
                file.seek(0)
                texts.append(whole_lines(file.read()))
        return iter(())
