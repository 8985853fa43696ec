"""llama.cpp's grammar language, GBNF, and JSON's values in it. Pure.

Blanks are few wherever JSON allows any: a weak model would fill its whole answer with them.
"""

import json
from collections.abc import Iterable
from itertools import groupby
from os.path import commonprefix

SPACE = "space"
CHARACTER = "character"
VALUE = "value"
STRING = "string"

# Each with the rules it needs; all of them are put into every grammar.
JSON_RULES = {
    SPACE: r'| " " | "\n" [ \t]{0,20}',
    "hex": "[0-9a-fA-F]",
    # Nothing that a string has to escape, and no half of a surrogate pair: it would be no character.
    CHARACTER: r'[ !#-[\]-~\u0080-\uD7FF\uE000-\U0010FFFF] | "\\" (["\\/bfnrt] | "u" unit)',
    "unit": "[0-9abcefABCEF] hex hex hex | [dD] [0-7] hex hex",
    STRING: r'"\"" character* "\""',
    "integer": '"-"? ("0" | [1-9] [0-9]{0,15})',
    "number": 'integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?',
    "boolean": '"true" | "false"',
    "null": '"null"',
    "pair": 'string space ":" space value space',
    "object": '"{" space (pair ("," space pair)*)? "}"',
    "element": "value space",
    "array": '"[" space (element ("," space element)*)? "]"',
    VALUE: "object | array | string | number | boolean | null",
}

_DAY = '"0" [1-9] | [12] [0-9]'
_DATE = (
    f'[1-9] [0-9]{{3}} "-" (("0" [13578] | "1" [02]) "-" ({_DAY} | "3" [01])'
    f' | ("0" [469] | "11") "-" ({_DAY} | "30") | "02" "-" ("0" [1-9] | "1" [0-9] | "2" [0-8]))'
)
_CLOCK = '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9]'
_TIME = f'{_CLOCK} ":" [0-5] [0-9] ("." [0-9]{{1,6}})? ("Z" | [-+] {_CLOCK})'

# What a string's `format` looks like between the quotes.
FORMATS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f'({_DATE}) "T" {_TIME}',
    "uuid": 'hex{8} ("-" hex{4}){3} "-" hex{12}',
}


def literal(text: str) -> str:
    """Exactly this text, which has no control characters."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def encoded(value: object) -> str:
    """A JSON value as an answer spells it. Raises ValueError for what JSON does not know."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Rules:
    """A grammar in the making: each expression gets a rule once."""

    def __init__(self) -> None:
        self._rules = dict(JSON_RULES)
        self._names: dict[str, str] = {}

    def text(self) -> str:
        return "".join(f"{name} ::= {expression}\n" for name, expression in self._rules.items())

    def reserve(self) -> str:
        """A name to be set later."""
        name = f"r{len(self._rules)}"
        self._rules[name] = ""
        return name

    def set(self, name: str, expression: str) -> None:
        self._rules[name] = expression

    def name(self, expression: str) -> str:
        """The rule for an expression."""
        if expression in self._rules:
            return expression
        if expression not in self._names:
            self._names[expression] = self.reserve()
            self.set(self._names[expression], expression)
        return self._names[expression]

    def one_of(self, texts: Iterable[str]) -> str:
        """The rule for one of these texts. What they begin with in common is followed once, not for each."""
        alternatives = [self._branch(list(group)) for _, group in groupby(sorted(set(texts)), lambda text: text[:1])]
        return self.name(" | ".join(alternatives))

    def _branch(self, texts: list[str]) -> str:
        """An expression for texts of the same first character."""
        start = commonprefix(texts)  # noqa: RUF071 - these are no paths
        rests = [text[len(start) :] for text in texts]
        return literal(start) if not any(rests) else f"{literal(start)} {self.one_of(rests)}"
