"""How many readings of an answer a grammar may have to follow at once. Pure.

llama.cpp follows all alternatives that begin alike until the text tells them apart, at a cost for each token that it
looks at. Here is what a grammar could come to in the worst case; what it does come to is watched while it is used.
"""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

WAYS = 128  # for one place. Each costs about 0.3 ms of a draw from 50,000 tokens that needs them all looked at
READINGS = 1000  # for choices within choices
AGAIN = 8  # alternatives of a choice that contain the choice. Each level may multiply the readings by them


class Shape:
    """Which rules of a grammar choose between rules, and which rules stand within others."""

    def __init__(self) -> None:
        self._choices: dict[str, Sequence[str]] = {}
        self._parts: dict[str, Sequence[str]] = {}
        self._needed: dict[str, Sequence[str]] = {}
        self._first: dict[str, Sequence[str]] = {}
        self._ways: dict[str, int] = {}
        self._readings: dict[str, int] = {}

    def choice(self, rule: str, alternatives: Sequence[str]) -> None:
        self._choices[rule] = alternatives

    def parts(self, rule: str, parts: Sequence[str], *, needed: Sequence[str] = (), first: Sequence[str] = ()) -> None:
        """`needed`: those that cannot be left out. `first`: what comes after a single character, a bracket."""
        self._parts[rule] = parts
        self._needed[rule] = needed
        self._first[rule] = first

    def itself(self) -> frozenset[str]:
        """Choices that come back to themselves with nothing written in between: those of one such circle, if any."""
        try:
            TopologicalSorter(self._choices).prepare()
        except CycleError as error:
            return frozenset(error.args[1])
        return frozenset()

    def endless(self) -> frozenset[str]:
        """The rules of which no text is ever complete."""
        open_rules = {*self._choices, *self._parts}
        while closed := [rule for rule in open_rules if self._ends(rule, open_rules)]:
            open_rules.difference_update(closed)
        return frozenset(open_rules)

    def _ends(self, rule: str, open_rules: set[str]) -> bool:
        if alternatives := self._choices.get(rule):
            return not open_rules.issuperset(alternatives)
        return open_rules.isdisjoint(self._needed[rule])

    def too_much(self) -> str | None:
        """What is, in words that follow "it"; None if nothing is."""
        within, opening = _reversed(self._choices, self._parts), _reversed(self._choices, self._first)
        for rule, alternatives in self._choices.items():
            if self._count_ways(rule) > WAYS:
                return f"offers more than {WAYS} ways to go on in one place: offer fewer"
            if self._count_readings(rule) > READINGS:
                return f"nests choices in choices, with more than {READINGS} readings: offer fewer"
            if len(alternatives) > AGAIN and _common(alternatives, _reaching(rule, within)) > AGAIN:
                return f"has a choice that more than {AGAIN} of its own alternatives contain: offer fewer"
            if len(alternatives) > 1 and _common(alternatives, _reaching(rule, opening)) > 1:
                return "has a choice of several arrays that begin with that choice: let one of them"
        return None

    def _count_ways(self, rule: str) -> int:
        if rule not in self._ways:
            self._ways[rule] = sum(self._count_ways(other) for other in self._choices.get(rule, ())) or 1
        return self._ways[rule]

    def _count_readings(self, rule: str) -> int:
        """A rule that is within itself counts once; `AGAIN` keeps watch over it."""
        if rule not in self._readings:
            self._readings[rule] = 1
            chosen = sum(self._count_readings(other) for other in self._choices.get(rule, ()))
            inner = max((self._count_readings(other) for other in self._parts.get(rule, ())), default=1)
            self._readings[rule] = max(chosen, inner)
        return self._readings[rule]


def _reversed(*graphs: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for graph in graphs:
        for rule, others in graph.items():
            for other in others:
                found.setdefault(other, []).append(rule)
    return found


def _reaching(goal: str, backwards: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    todo = [goal]
    while todo:
        new = [rule for rule in backwards.get(todo.pop(), ()) if rule not in found]
        found.update(new)
        todo += new
    return found


def _common(alternatives: Iterable[str], reaching: set[str]) -> int:
    return sum(rule in reaching for rule in alternatives)
