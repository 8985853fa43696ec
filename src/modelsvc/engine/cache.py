"""What the KV cache holds, line by line, and what of it a new prompt can take over. Pure.

A line belongs to a running request, or is idle: what an ended request left, kept until its cells or its number are
needed, the least recently used first, or until it is unlikely to be of use. A prompt takes the longest beginning that
any line has, idle or running. Each change is kept as an edit, to be made in llama.cpp's own cache before the next step.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from modelsvc.engine.cells import Cells, Copy, Edit, Trim, common_prefix
from modelsvc.engine.retention import OF_USE_TOKENS, Retention


@dataclass(slots=True, eq=False)
class Line:
    """A sequence id of llama.cpp, and the tokens it has computed."""

    number: int
    tokens: list[int] = field(default_factory=list)
    used_at: int = 0  # last, told by how many tokens were computed till then
    of_use: bool = False  # to others, since its request ended


class Cache:
    def __init__(self, capacity: int, lines: int, *, reuse: bool = True, window: int = 0) -> None:
        """`lines` must be more than requests run at once, or a finished one's is always the next one's.

        `window`: how many tokens attention looks back on, if not on all. Of a line that is longer, llama.cpp gives away
        the cells that its next token does not look back on, so only the whole of it is of use.
        """
        self._cells = Cells(capacity, lines)
        self._reuse = reuse
        self._window = window or capacity + 1
        self._idle = [Line(number) for number in range(lines)]  # least recently used first
        self._running: list[Line] = []
        self._edits: list[Edit] = []
        self._computed = 0  # tokens, ever
        self._retention = Retention()

    @property
    def capacity(self) -> int:
        return self._cells.capacity

    @property
    def used(self) -> int:
        return self.capacity - self._cells.free

    def take_edits(self) -> tuple[Edit, ...]:
        """What was changed since the last call, in order."""
        edits, self._edits = tuple(self._edits), []
        return edits

    def spare(self, tokens: Sequence[int] = ()) -> int:
        """Cells that are free, or would be without the idle lines, once these tokens are computed as well."""
        source, count = self._source(tokens)
        held = [(line.number, len(line.tokens)) for line in self._running]
        if source:
            held.append((source.number, count))
        return self.capacity - self._cells.held_by(held) - (len(tokens) - count)

    def lends(self, there: Sequence[int], tokens: Sequence[int]) -> int:
        """How many of these tokens can be taken over from a line of those `there`.

        The last one never is, for its logits are needed.
        """
        common = common_prefix(there, tokens[:-1])
        return common if common == len(there) or len(there) < self._window else 0

    def shared(self, tokens: Sequence[int]) -> int:
        """How many of these tokens `open` would find computed."""
        return self._source(tokens)[1]

    def open(self, tokens: Sequence[int]) -> Line:
        """A line for a request, with as much of `tokens` as is there already."""
        source, count = self._source(tokens)
        self._retention.opens(tokens, count)
        if source in self._idle and count >= OF_USE_TOKENS:
            self._use(source)
        whole = source in self._idle and count == len(source.tokens)
        line = source if source and whole else self._emptied(spared=source)
        self._idle.remove(line)
        if source and source is not line:
            self._edit(Copy(source.number, line.number, count))
            line.tokens = source.tokens[:count]
        self._trim(line, count)
        self._running.append(line)
        return line

    def extend(self, line: Line, tokens: Sequence[int]) -> None:
        """These are computed in the next step. There must be room."""
        self._cells.extend(line.number, len(tokens))
        self._computed += len(tokens)
        line.tokens += tokens

    def close(self, line: Line, *, keep: bool = True) -> None:
        """Its request is over. `keep`: what is computed is right, and may be of use."""
        self._running.remove(line)
        self._idle.append(line)
        line.used_at, line.of_use = self._computed, False
        if not (keep and self._reuse):
            self._trim(line, 0)

    def forget(self) -> None:
        """Empty the idle lines, also in llama.cpp's cache where that differs from this one."""
        for line in self._idle:
            self._edit(Trim(line.number, 0))
            line.tokens = []

    def make_room(self, count: int) -> int:
        """Have so many cells free, at the cost of idle lines, or as many as can be; how many are."""
        for line in [line for line in self._idle if line.tokens]:
            if self._cells.free >= count:
                break
            self._give_up(line)
        return self._cells.free

    def give_up_stale(self) -> None:
        """Idle lines that were of no use for as long as it was likely."""
        stale = self._computed - self._retention.tokens
        for line in [line for line in self._idle if line.tokens and line.used_at < stale]:
            self._give_up(line)

    def _source(self, tokens: Sequence[int]) -> tuple[Line | None, int]:
        """The line that lends most of these tokens, and how many."""
        if not self._reuse:
            return None, 0
        found = max([*self._idle, *self._running], key=lambda line: self.lends(line.tokens, tokens))
        count = self.lends(found.tokens, tokens)
        return (found, count) if count else (None, 0)

    def _emptied(self, spared: Line | None) -> Line:
        """An idle line that holds nothing, or else the one that was longest of no use; `spared` only if it is alone."""
        line = min(self._idle, key=lambda line: (line is spared, bool(line.tokens)))
        if line is not spared and line.tokens:
            self._give_up(line)
        return line

    def _use(self, line: Line) -> None:
        self._retention.was_of_use()
        line.used_at, line.of_use = self._computed, True
        self._idle.remove(line)
        self._idle.append(line)

    def _give_up(self, line: Line) -> None:
        if not line.of_use:
            self._retention.was_of_no_use(line.tokens)
        self._trim(line, 0)

    def _trim(self, line: Line, keep: int) -> None:
        if len(line.tokens) > keep:
            self._edit(Trim(line.number, keep))
            del line.tokens[keep:]

    def _edit(self, edit: Edit) -> None:
        self._cells.apply(edit)
        self._edits.append(edit)
