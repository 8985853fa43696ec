"""The cells of the KV cache, and which lines hold them. Pure: an account of what llama.cpp does with its own.

A line is one of llama.cpp's sequence ids: an ordered run of cells, one for each token. A cell may be part of several
lines that begin alike; it is free again when the last of them lets go of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Copy:
    """The first `count` cells of `source` become the beginning of `target`, which is empty."""

    source: int
    target: int
    count: int


@dataclass(frozen=True, slots=True)
class Trim:
    """`line` keeps its first `keep` cells."""

    line: int
    keep: int


Edit = Copy | Trim


class Cells:
    def __init__(self, capacity: int, lines: int) -> None:
        self.capacity = capacity
        self._unused = list(reversed(range(capacity)))
        self._holders = [0] * capacity
        self._lines: list[list[int]] = [[] for _ in range(lines)]

    @property
    def free(self) -> int:
        return len(self._unused)

    def held_by(self, beginnings: Iterable[tuple[int, int]]) -> int:
        """How many cells those beginnings hold together: of a line each, with its length."""
        return len(set().union(*(self._lines[line][:count] for line, count in beginnings)))

    def extend(self, line: int, count: int) -> None:
        """Raises IndexError without so many free cells."""
        for _ in range(count):
            cell = self._unused.pop()
            self._holders[cell] = 1
            self._lines[line].append(cell)

    def apply(self, edit: Edit) -> None:
        match edit:
            case Copy(source, target, count):
                self._lines[target] = self._lines[source][:count]
                for cell in self._lines[target]:
                    self._holders[cell] += 1
            case Trim(line, keep):
                for cell in self._lines[line][keep:]:
                    self._release(cell)
                del self._lines[line][keep:]

    def _release(self, cell: int) -> None:
        self._holders[cell] -= 1
        if not self._holders[cell]:
            self._unused.append(cell)


def common_prefix(some: Sequence[int], others: Sequence[int]) -> int:
    """How many tokens both begin with."""
    limit = min(len(some), len(others))
    if some[:limit] == others[:limit]:
        return limit
    low, high = 0, limit  # some[:low] is common, some[:high] is not
    while high - low > 1:
        middle = (low + high) // 2
        if some[low:middle] == others[low:middle]:
            low = middle
        else:
            high = middle
    return low
