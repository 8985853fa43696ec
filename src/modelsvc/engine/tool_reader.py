"""From an answer's text, piece by piece, to what is said and which tools are called. Pure.

What may be part of a call is held back until it is known. What turns out to be none is told as it was written.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from modelsvc.engine.tool_syntax import Syntax

_SPELLED = re.compile(r"\s*([\w.-]+)\s*(?:\[ARGS\])?(?=\{)")  # a name before its arguments
_decoder = json.JSONDecoder()


class Call(NamedTuple):
    """`arguments`: a JSON object, as text."""

    name: str
    arguments: str


class Read(NamedTuple):
    text: str
    calls: tuple[Call, ...] = ()


class ToolReader:
    """`names`: the tools there are. JSON without anything around it is a call only if it names one of them."""

    def __init__(self, syntax: Syntax, names: frozenset[str]) -> None:
        self._syntax = syntax
        self._names = names
        self._held = ""
        self._began = False  # something was said or called
        self._called = False
        self._inside = False  # what is held begins a call

    def push(self, text: str) -> Read:
        self._held += text
        return self._merged(self._read())

    def end(self) -> Read:
        """What was held back, as no more text comes."""
        held, self._held = self._held, ""
        if not self._inside:
            return Read("" if self._called and not held.strip() else held)
        return self._call_in(held, bare=not held.lstrip().startswith(self._syntax.opening))

    def _read(self) -> Iterator[Read]:
        while True:
            if not self._inside:
                yield self._said()
            if not self._inside or not self._closed():
                return
            whole, closing, self._held = self._held.partition(self._syntax.closing)
            self._inside = False
            yield self._call_in(whole + closing)

    def _said(self) -> Read:
        """What is surely no part of a call."""
        if self._syntax.bare and not self._began and self._held.lstrip()[:1] in ("{", "["):
            self._inside = True
            return Read("")
        at = self._held.find(self._syntax.opening)
        self._inside = at >= 0
        text = (self._held[:at] if self._inside else self._held[: len(self._held) - self._may_begin()]).rstrip()
        self._held = self._held[len(text) :]  # blanks belong to what comes: before a call they are nothing
        self._began = self._began or bool(text)
        return Read(text)

    def _may_begin(self) -> int:
        """How many characters at the end may be the beginning of a call."""
        opening = self._syntax.opening
        lengths = range(min(len(opening) - 1, len(self._held)), 0, -1)
        return next((length for length in lengths if opening.startswith(self._held[-length:])), 0)

    def _closed(self) -> bool:
        return bool(self._syntax.closing) and self._syntax.closing in self._held

    def _call_in(self, written: str, *, bare: bool = False) -> Read:
        self._began = True
        inner = written.removesuffix(self._syntax.closing).split(self._syntax.opening)
        calls = tuple(call for part in inner for call in _calls(part))
        if not calls or (bare and not self._names.issuperset(call.name for call in calls)):
            return Read(written)
        self._called = True
        return Read("", calls)

    @staticmethod
    def _merged(parts: Iterator[Read]) -> Read:
        found = list(parts)
        return Read("".join(each.text for each in found), tuple(call for each in found for call in each.calls))


def _calls(text: str) -> list[Call]:
    """The calls written in a text, or none when anything in it is something else."""
    found: list[Call] = []
    at = 0
    while rest := text[at:].lstrip(" \t\r\n;,"):
        at = len(text) - len(rest)
        name = _SPELLED.match(text, at)
        try:
            value, at = _decoder.raw_decode(text, name.end() if name else at)
        except (ValueError, RecursionError):
            return []
        values = [{"name": name[1], "arguments": value}] if name else value if isinstance(value, list) else [value]
        calls = [call for each in values if (call := _call(each))]
        if len(calls) < len(values):
            return []
        found += calls
    return found


def _call(value: Any) -> Call | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return None
    return Call(value["name"], json.dumps(arguments, ensure_ascii=False)) if isinstance(arguments, dict) else None
