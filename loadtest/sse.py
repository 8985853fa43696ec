"""When the pieces of a stream of server-sent events arrived."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

TOKEN = b"event: token"


@dataclass(slots=True)
class Arrivals:
    """Fed with bytes as they come; an event has arrived with the empty line that ends it."""

    tokens_s: list[float] = field(default_factory=list)
    _rest: bytes = b""
    _is_token: bool = False

    def feed(self, piece: bytes, at_s: float) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._line(line.rstrip(b"\r"), at_s)

    def _line(self, line: bytes, at_s: float) -> None:
        if line == TOKEN:
            self._is_token = True
        elif not line:
            if self._is_token:
                self.tokens_s.append(at_s)
            self._is_token = False


def gaps_ms(times_s: Sequence[float]) -> tuple[float, ...]:
    """Between each two that follow each other."""
    return tuple(1000 * (later - earlier) for earlier, later in pairwise(times_s))
