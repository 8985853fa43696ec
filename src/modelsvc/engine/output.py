"""From tokens' bytes to the pieces of an answer. Pure.

A piece holds whole characters, and nothing that is or may become a stop string: what may is held back until it cannot
any more. The answer ends right before the stop string that is complete first.
"""

import codecs
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

from modelsvc.engine.types import Drawn, Token


class Output:
    def __init__(self, stop: Sequence[str] = ()) -> None:
        self.stopped = False
        self._stop = tuple(filter(None, stop))
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._told = 0  # characters of the answer in the pieces so far
        self._drawn: list[Drawn] = []

    def push(self, piece: bytes, drawn: Drawn | None = None) -> Token | None:
        """Take one token's bytes; the piece that can be told now, if any. Not to be called once `stopped`."""
        if drawn is not None:
            self._drawn.append(replace(drawn, at=self._told + len(self._held)))
        return self._tell(self._decoder.decode(piece), final=False)

    def end(self) -> Token | None:
        """What was held back, as no more tokens come."""
        return None if self.stopped else self._tell(self._decoder.decode(b"", final=True), final=True)

    def _tell(self, more: str, *, final: bool) -> Token | None:
        text = self._held + more
        if (cut := self._stop_in(text)) is not None:
            self.stopped, self._held, told = True, "", text[:cut]
        else:
            held = 0 if final else max((_begun(stop, text) for stop in self._stop), default=0)
            told, self._held = text[: len(text) - held], text[len(text) - held :]
        self._told += len(told)
        drawn = tuple(self._take_drawn(everything=final and not self.stopped)) if told or final else ()
        return Token(told, drawn) if told or drawn else None

    def _stop_in(self, text: str) -> int | None:
        """Where the stop string begins that is complete first; of several, the longest."""
        found = [(at + len(stop), at) for stop in self._stop if (at := text.find(stop)) >= 0]
        return min(found)[1] if found else None

    def _take_drawn(self, *, everything: bool) -> list[Drawn]:
        """Those whose tokens begin in what has been told. The tokens of a stop string are no part of the answer."""
        ready = list(takewhile(lambda each: everything or each.at < self._told, self._drawn))
        del self._drawn[: len(ready)]
        return ready


def _begun(stop: str, text: str) -> int:
    """How many characters at the end of the text are the beginning of a stop string that is not in it."""
    at = text.find(stop[0], max(len(text) - len(stop) + 1, 0))
    while at >= 0 and not stop.startswith(text[at:]):
        at = text.find(stop[0], at + 1)
    return len(text) - at if at >= 0 else 0
