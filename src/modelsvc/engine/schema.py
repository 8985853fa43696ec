"""Reading a JSON schema: its keywords, places in it, and refusals that name them. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from modelsvc.engine.errors import SamplingRefused
from modelsvc.engine.ranges import MOST, Range

UNKNOWN = frozenset(
    {
        "multipleOf",
        "patternProperties",
        "minProperties",
        "maxProperties",
        "dependentRequired",
        "dependentSchemas",
        "dependencies",
        "if",
        "then",
        "else",
        "not",
        "contains",
        "minContains",
        "maxContains",
        "uniqueItems",
        "unevaluatedItems",
        "$dynamicRef",
        "$recursiveRef",
    }
)
OF_TYPES: Mapping[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties", "unevaluatedProperties", "propertyNames"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
}
SHOWN_CHARACTERS = 60
PATH_CHARACTERS = 300
COMBINING = ("$ref", "anyOf", "oneOf", "allOf", "const", "enum")
ASSERTING = frozenset({"type", *COMBINING}).union(*OF_TYPES.values())
TYPES: Mapping[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list | tuple),
    "object": lambda value: isinstance(value, Mapping),
}


class Form(NamedTuple):
    """What a keyword's value has to be; `told` goes on with that."""

    told: str
    fits: Callable[[Any], bool]


def _each(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(fits, value))


def _is_count(value: Any) -> bool:
    return TYPES["integer"](value) and value >= 0


def _is_schema(value: Any) -> bool:
    return isinstance(value, bool | Mapping)


def _is_type(value: Any) -> bool:
    return isinstance(value, str) and value in TYPES


_TEXT = Form("a text", TYPES["string"])
_COUNT = Form("a whole number, 0 or more", _is_count)
_NUMBER = Form("a number", TYPES["number"])
_SCHEMA = Form("a schema: an object, true or false", _is_schema)
_SCHEMAS = Form("a list of schemas", _each(_is_schema))
_FORMS: Mapping[str, Form] = {
    "type": Form(
        f"one of {', '.join(TYPES)}, or a list of them", lambda value: _is_type(value) or _each(_is_type)(value)
    ),
    "enum": Form("a list", TYPES["array"]),
    "properties": Form(
        "an object of schemas", lambda value: TYPES["object"](value) and _each(_is_schema)([*value.values()])
    ),
    "required": Form("a list of names", _each(TYPES["string"])),
    **dict.fromkeys(("$ref", "pattern", "format"), _TEXT),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), _COUNT),
    **dict.fromkeys(OF_TYPES["number"], _NUMBER),
    **dict.fromkeys(("items", "additionalProperties", "unevaluatedProperties", "propertyNames"), _SCHEMA),
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), _SCHEMAS),
}


class Place(NamedTuple):
    """Where in the schema."""

    path: str = "#"
    depth: int = 0

    def within(self, *steps: object) -> "Place":
        return Place("/".join([self.path, *map(str, steps)]), self.depth + 1)


def check_form(schema: Mapping[str, Any], at: Place) -> None:
    """That each keyword has a value of its kind, so that nobody further on meets another."""
    for key, form in _FORMS.items():
        if key in schema and not form.fits(schema[key]):
            refuse(at, f"{key} has to be {form.told}, not {_shown(schema[key])}")


def bounds(schema: Mapping[str, Any], least: str, most: str, at: Place) -> tuple[int, int | None]:
    low, high = schema.get(least, 0), schema.get(most)
    if high is not None and low > high:
        refuse(at, f"{least} {low} is more than {most} {high}")
    return low, high


def between(schema: Mapping[str, Any], at: Place) -> Range:
    """A number's bounds; of two on one side, the narrower one."""
    least, most = _bound(schema, "minimum", at), _bound(schema, "maximum", at)
    over, under = _bound(schema, "exclusiveMinimum", at), _bound(schema, "exclusiveMaximum", at)
    lows = [(value, is_open) for value, is_open in ((least, False), (over, True)) if value is not None]
    highs = [(value, not is_open) for value, is_open in ((most, False), (under, True)) if value is not None]
    low, low_open = max([*lows, (-MOST, False)])
    high, high_closed = min([*highs, (MOST, True)])
    return Range(low, high, low_open, not high_closed)


def _bound(schema: Mapping[str, Any], key: str, at: Place) -> int | None:
    value = schema.get(key)
    if value is None:
        return None
    if value != int(value):
        refuse(at, f"{key} {value!r} cannot be held to: give a whole number, or leave it out and check the answer")
    return int(value)


def refuse(at: Place, why: str) -> NoReturn:
    path = at.path if len(at.path) <= PATH_CHARACTERS else f"…{at.path[-PATH_CHARACTERS:]}"
    raise SamplingRefused(f"the JSON schema at {path}: {why}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
