"""How long to keep what ended requests left in the cache. Pure; it learns from what became of it.

Every cell costs: attention passes over it in each step, also where no running sequence has it (on two cores here, 1,600
idle cells take 15 % of a lone stream's speed). What it saves, if a prompt comes that begins with it, is a thousand
times that. So it is kept for as many computed tokens as its odds to be of use are worth; while nothing is computed,
nothing is lost by keeping it. Prompts that come too late count as well, or what is given up soon would always be.
"""

from collections import deque
from collections.abc import Sequence

from modelsvc.engine.cells import common_prefix

OF_USE_TOKENS = 32  # beginnings of templates, which all have in common, are shorter
LONGEST_TOKENS = 2048
LEAST_TOKENS = 64  # else nothing would ever be of use again
_REMEMBERED_TOKENS = 1024  # of each line that was given up
_NEWEST = 0.1  # the weight of the latest line in the odds


class Retention:
    def __init__(self) -> None:
        self._odds = 0.5
        self._given_up: deque[list[int]] = deque(maxlen=16)

    @property
    def tokens(self) -> int:
        """Computed since a line was last used, after which it is given up."""
        return max(LEAST_TOKENS, round(LONGEST_TOKENS * self._odds))

    def was_of_use(self) -> None:
        """A prompt took it over."""
        self._learn(1.0)

    def was_of_no_use(self, tokens: list[int]) -> None:
        """It was given up with nothing taken from it."""
        self._given_up.append(tokens[:_REMEMBERED_TOKENS])
        self._learn(0.0)

    def opens(self, tokens: Sequence[int], found: int) -> None:
        """A prompt of these tokens found so many; was there more of it in what was given up?"""
        for missed in self._given_up:
            if common_prefix(missed, tokens) >= max(found + 1, OF_USE_TOKENS):
                self._given_up.remove(missed)
                self._learn(1.0)
                return

    def _learn(self, of_use: float) -> None:
        self._odds += _NEWEST * (of_use - self._odds)
