"""The daemon's events from the asking side: one connection, and where to go on after it."""

from collections.abc import Generator, Iterator
from contextlib import closing
from http.client import HTTPResponse

from supervisor.client.exchange import UNREADABLE, Exchange, bad_answer
from supervisor.protocol import happenings as hp

SILENCE_S = 35.0  # the daemon says something every 10 s


class Following:
    """Iterate over it for the events, until the daemon goes away. `place` is the number to go on from."""

    def __init__(self, exchange: Exchange, response: HTTPResponse, after: int | None) -> None:
        self._exchange, self._response = exchange, response
        self.place = after

    def __iter__(self) -> Iterator[hp.Happening]:
        """Raises BadAnswer at what is no event of this version."""
        with closing(self._exchange.lines(self._response, SILENCE_S)) as lines:
            for fields in _frames(lines):
                if b"data" in fields:
                    happening = _happening(fields[b"data"])
                    yield happening
                    self.place = happening.id
                elif b"id" in fields:
                    self.place = int(fields[b"id"])

    def close(self) -> None:
        """Hang up."""
        self._response.close()
        self._exchange.close()


def _frames(lines: Generator[bytes, None, None]) -> Iterator[dict[bytes, bytes]]:
    """The fields of each frame that came whole."""
    fields: dict[bytes, bytes] = {}
    for line in lines:
        if line.strip():
            name, _, value = line.partition(b":")
            fields[name] = value.strip()
        else:
            yield fields
            fields = {}


def _happening(data: bytes) -> hp.Happening:
    try:
        return hp.decode_happening(data)
    except UNREADABLE as error:
        raise bad_answer(f"{error}; the event was {data[:60]!r}") from error
