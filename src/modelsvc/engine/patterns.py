"""A JSON schema's `pattern` in GBNF, for the text between a string's quotes. Pure.

Python's own reader of regular expressions takes it apart; the classes `\\d`, `\\w` and `\\s` are JavaScript's.
"""

import json
import warnings
from collections.abc import Callable, Iterable, Sequence
from re import _parser  # what `re` itself is made of
from typing import Any

from modelsvc.engine import gbnf

Span = tuple[int, int]

POSITIONS = 1000  # places in the pattern, repetitions written out; each may have to be followed at once
_LAST = 0x10FFFF
_DIGITS = [(0x30, 0x39)]
_WORD = [*_DIGITS, (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
_SPACE = [(0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029)]
_SPACE += [(0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)]
_LINES = [(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)]
_CLASSES = {"DIGIT": _DIGITS, "WORD": _WORD, "SPACE": _SPACE}
_NAMES = {
    "AT": "an anchor (^, $ or \\b) elsewhere than at its ends",
    "ASSERT": "a look-ahead or look-behind",
    "ASSERT_NOT": "a look-ahead or look-behind",
    "GROUPREF": "a back-reference",
    "GROUPREF_EXISTS": "a condition on a group",
    "SUBPATTERN": "flags within",
}
_ESCAPED = [*range(0x20), 0x22, 0x5C, 0x7F]  # what stands in a string by an escape, if at all
_NEVER = (0xD800, 0xDFFF)


class Pattern:
    """`expression` in GBNF. Raises ValueError, or re.error, that says why there is none."""

    def __init__(self, pattern: str, name: Callable[[str], str]) -> None:
        """`name`: gives an expression a rule."""
        self._name = name
        with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of what is odd in Python alone
            tree = list(_parser.parse(pattern))
        branches = tree[0][1][1] if len(tree) == 1 and str(tree[0][0]) == "BRANCH" else [tree]
        found = [self._whole(list(branch)) for branch in branches]
        if sum(positions for _, positions in found) > POSITIONS:
            raise ValueError(f"more than {POSITIONS} places, repetitions written out")
        self.expression = " | ".join(expression for expression, _ in found)

    def _whole(self, tree: list[Any]) -> tuple[str, int]:
        """Where it is not anchored, any text may stand around it."""
        begun, ended = _anchored(tree[:1], "AT_BEGINNING"), _anchored(tree[-1:], "AT_END")
        inner, positions = self._sequence(tree[begun : len(tree) - ended])
        around = f"{gbnf.CHARACTER}*"
        return " ".join([*([] if begun else [around]), inner, *([] if ended else [around])]), positions

    def _sequence(self, tree: Iterable[Any]) -> tuple[str, int]:
        parts = [self._one(str(kind), value) for kind, value in tree]
        return " ".join(expression for expression, _ in parts) or '""', sum(positions for _, positions in parts)

    def _one(self, kind: str, value: Any) -> tuple[str, int]:
        match kind:
            case "LITERAL":
                return _class([(value, value)]), 1
            case "NOT_LITERAL":
                return _class(_others([(value, value)])), 1
            case "ANY":
                return _class(_others(_LINES)), 1
            case "IN":
                return _class(_members(value)), 1
            case "SUBPATTERN" if not value[1] and not value[2]:
                expression, positions = self._sequence(value[3])
                return f"({expression})", positions
            case "BRANCH":
                found = [self._sequence(branch) for branch in value[1]]
                return f"({' | '.join(each for each, _ in found)})", sum(positions for _, positions in found)
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self._repeated(*value)
        raise ValueError(f"it has {_NAMES.get(kind) or kind.lower().replace('_', ' ')}")

    def _repeated(self, least: int, most: Any, tree: Iterable[Any]) -> tuple[str, int]:
        expression, positions = self._sequence(tree)
        endless = str(most) == "MAXREPEAT"
        count = max(least, 1) if endless else most
        if count * positions > POSITIONS:
            raise ValueError(f"more than {POSITIONS} places, repetitions written out")
        return f"{self._name(expression)}{{{least},{'' if endless else most}}}", count * positions


def _anchored(at: Sequence[Any], kind: str) -> bool:
    return bool(at) and str(at[0][0]) == "AT" and str(at[0][1]) == kind


def _members(entries: Iterable[Any]) -> list[Span]:
    found: list[Span] = []
    negated = False
    for kind, value in entries:
        match str(kind):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found.append((value, value))
            case "RANGE":
                found.append(value)
            case _:
                *_, negation, name = ("", *str(value).removeprefix("CATEGORY_").rpartition("NOT_"))[-3:]
                found += _others(_CLASSES[name]) if negation else _CLASSES[name]
    return _others(found) if negated else found


def _others(spans: Iterable[Span]) -> list[Span]:
    found, start = [], 0
    for low, high in sorted(spans):
        if start < low:
            found.append((start, low - 1))
        start = max(start, high + 1)
    return [*found, (start, _LAST)] if start <= _LAST else found


def _class(spans: Sequence[Span]) -> str:
    """One character of these, as a string of JSON has it."""
    escaped = [code for code in _ESCAPED if any(low <= code <= high for low, high in spans)]
    plain = _others([*_others(spans), *((code, code) for code in _ESCAPED), _NEVER])
    shown = "".join(f"\\U{low:08X}-\\U{high:08X}" for low, high in plain)
    spelled = [gbnf.literal(json.dumps(chr(code))[1:-1]) for code in escaped]
    if not plain and not spelled:
        raise ValueError("it has a class of no characters")
    return f"({' | '.join([*([f'[{shown}]'] if shown else []), *spelled])})"
