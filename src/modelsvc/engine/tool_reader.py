"""From an answer's text, piece by piece, to what is said and which tools are called. Pure.

What may be part of a call is held back until it is known. What turns out to be none is told as it was written. A marker
in a string of a call's arguments is no marker.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from modelsvc.engine.tool_syntax import Syntax

_SPELLED = re.compile(r"\s*([\w.-]+)\s*(?:\[ARGS\])?(?=\{)")  # a name before its arguments
# A string of JSON, whole or as far as it has come. What has a line's end in it is none.
_STRING = r'"(?:[^"\\\x00-\x1f]|\\.?+)*+(?:"|\Z)'
_HALF = re.compile("[\ud800-\udfff]")  # of a character, which JSON can spell but no text of an answer can have
_decoder = json.JSONDecoder()


class Call(NamedTuple):
    """`arguments`: a JSON object, as text."""

    name: str
    arguments: str


class Read(NamedTuple):
    text: str
    calls: tuple[Call, ...] = ()


class _Found(NamedTuple):
    """The calls that a text begins with, and what comes after them."""

    calls: tuple[Call, ...]
    rest: str


class ToolReader:
    """`names`: the tools there are. JSON without anything around it is a call only if it names one of them."""

    def __init__(self, syntax: Syntax, names: frozenset[str]) -> None:
        self._syntax = syntax
        self._names = names
        self._between = re.compile(rf"(?:{re.escape(syntax.opening)}|[\s;,\[\]])*+")
        self._closing = re.compile(rf"{_STRING}|(?P<closing>{re.escape(syntax.closing)})")
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
        found = self._find(held)
        bare = not held.lstrip().startswith(self._syntax.opening)
        if bare and not (found.rest[:1] in ("", "{") and self._names.issuperset(call.name for call in found.calls)):
            return Read(held)
        return Read(found.rest, found.calls) if found.calls else Read(held)  # an answer may be cut in its second call

    def _read(self) -> Iterator[Read]:
        while True:
            if not self._inside:
                yield self._said()
            if not self._inside or (end := self._closed_at()) is None:
                return
            whole, self._held = self._held[:end], self._held[end:]
            self._inside, self._began = False, True
            found = self._find(whole.removesuffix(self._syntax.closing))
            self._called = self._called or (bool(found.calls) and not found.rest)
            yield Read(whole) if found.rest or not found.calls else Read("", found.calls)

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

    def _closed_at(self) -> int | None:
        """Where what is held closes the call that it begins with."""
        if self._syntax.closing not in self._held or not self._syntax.closing:
            return None
        return next((found.end() for found in self._closing.finditer(self._held) if found["closing"]), None)

    def _find(self, text: str) -> _Found:
        calls: list[Call] = []
        while rest := text[_end(self._between.match(text)) :]:
            spelled = _SPELLED.match(rest)
            try:
                value, end = _decoder.raw_decode(rest, _end(spelled))
            except (ValueError, RecursionError):
                break
            call = _call({"name": spelled[1], "arguments": value} if spelled else value)
            if call is None:
                break
            calls.append(call)
            text = rest[end:]
        return _Found(tuple(calls), rest)

    @staticmethod
    def _merged(parts: Iterator[Read]) -> Read:
        found = list(parts)
        return Read("".join(each.text for each in found), tuple(call for each in found for call in each.calls))


def _end(found: "re.Match[str] | None") -> int:
    return found.end() if found else 0


def _call(value: Any) -> Call | None:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    try:
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        written = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(arguments, dict) or _HALF.search(value["name"]):
        return None
    return Call(value["name"], json.dumps(arguments) if _HALF.search(written) else written)
