"""How many prompt tokens a step may carry beside answers that flow. Pure; it learns from the steps that were taken.

What a step costs depends on its tokens in ways that differ by machine: one token reads all the weights, the next few
are almost as dear, and from some number on they are nearly free. So the cost of each size is what it took of late. A
size that was not tried is expected to cost what the growth of the smaller ones lets expect, and no more than a larger.
Longer contexts, or others who want the processors, make steps of all sizes dearer: how much is learned from each step.
"""

from typing import NamedTuple

# While a prompt is read, gaps between tokens are this many times the usual one; steps vary, so the promise (3) has some
# room in it. A short prompt may be read at once for a single gap of this many: several shorter ones cost more together.
STRETCH = 2.6
STRETCH_ONCE = 3.5
LEAST_TOKENS = 4  # a long prompt goes on, however dear its tokens are
_SIZES: tuple[int, ...] = (*range(1, 9), 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512)
_RECENT = 0.25  # how much the level follows the newest step ...
_OWN = 0.04  # ... and how much the size's own cost does
_FADE = 0.05  # how much nearer to fewer answers each step brings the usual number of them
_FORGET_STEPS = 5000  # so that what once was slow is tried again


class _Cost(NamedTuple):
    seconds: float  # at a level of 1
    step: int


class Pace:
    def __init__(self) -> None:
        self._step = 0
        self._level = 1.0  # how dear steps are of late
        self._costs: dict[int, _Cost] = {}  # by size
        self._alone: dict[int, float] = {}  # seconds of steps with so many answers and nothing else
        self._usual_answers = 0.0

    def took(self, tokens: int, answers: int, seconds: float) -> None:
        """A step of `tokens`, of which `answers` were of sequences that answer, was computed in so many seconds."""
        self._step += 1
        size = _size(tokens)
        if size in self._costs:
            self._level *= (seconds / self._costs[size].seconds / self._level) ** _RECENT
        before = self._costs.get(size, _Cost(seconds / self._level, 0)).seconds
        self._costs[size] = _Cost(before + _OWN * (seconds / self._level - before), self._step)
        if tokens == answers:
            alone = self._alone.get(answers, seconds)
            self._alone[answers] = alone + _RECENT * (seconds - alone)
        if answers:
            self._usual_answers = max(answers, self._usual_answers - _FADE * (self._usual_answers - answers))

    def beside(self, answers: int, most: int, whole: int = 0) -> int:
        """The prompt tokens that a step may carry beside so many answers; `most` at most.

        `whole`: with so many, all that is being read would be read to its end; 0 where a long prompt is among it.
        """
        usual = self._usual(max(answers, round(self._usual_answers)))  # one that just ended has not gone for good
        if usual is None:
            return min(LEAST_TOKENS, most)
        if 0 < whole <= most and (self.expected(answers + whole) or usual) <= usual * STRETCH_ONCE:
            return whole
        fitting = [size for size in _SIZES if (self.expected(size) or usual) <= usual * STRETCH]
        return min(max(LEAST_TOKENS, fitting[-1] - answers), most) if fitting else min(LEAST_TOKENS, most)

    def _usual(self, answers: int) -> float | None:
        """Of steps without prompts, as it was before there was one to be read."""
        return self._alone.get(answers) or self.expected(answers)

    def expected(self, tokens: int) -> float | None:
        """Seconds for a step of so many tokens; None before any was taken."""
        size = _size(tokens)
        known = sorted((each, cost.seconds * self._level) for each, cost in self._costs.items() if self._fresh(cost))
        if own := dict(known).get(size):
            return own
        above = [seconds for larger, seconds in known if larger > size]
        return min([*above, *_grown([each for each in known if each[0] < size], size)], default=None)

    def _fresh(self, cost: _Cost) -> bool:
        return self._step - cost.step < _FORGET_STEPS


def _grown(below: list[tuple[int, float]], size: int) -> list[float]:
    """What the smaller sizes let expect: each further token costs what those before it did on average."""
    if not below:
        return []
    (first, cheap), (last, dear) = below[0], below[-1]
    each = max(dear - cheap, 0.0) / (last - first) if last > first else dear / last
    return [dear + each * (size - last)]


def _size(tokens: int) -> int:
    return next((size for size in _SIZES if size >= tokens), _SIZES[-1])
