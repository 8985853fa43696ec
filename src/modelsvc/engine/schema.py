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
    "object": frozenset({"properties", "required", "additionalProperties", "propertyNames"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems"}),
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "number": frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}),
}
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


class Place(NamedTuple):
    """Where in the schema. `entered`: references followed with no character of the answer in between."""

    path: str = "#"
    depth: int = 0
    entered: frozenset[str] = frozenset()

    def within(self, *steps: object) -> "Place":
        """In a part of the answer."""
        return Place("/".join([self.path, *map(str, steps)]), self.depth + 1)

    def beside(self, *steps: object) -> "Place":
        """In another schema for the same part of the answer."""
        return self.within(*steps)._replace(entered=self.entered)


def bounds(schema: Mapping[str, Any], least: str, most: str, at: Place) -> tuple[int, int | None]:
    low, high = schema.get(least, 0), schema.get(most)
    if not all(bound is None or (isinstance(bound, int) and bound >= 0) for bound in (low, high)):
        refuse(at, f"{least} and {most} have to be whole numbers")
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
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        refuse(at, f"{key} {value!r} cannot be held to: give a whole number, or leave it out and check the answer")
    return int(value)


def a_list(value: object, at: Place) -> list[Any]:
    if not isinstance(value, list | tuple):
        refuse(at, f"{value!r} has to be a list")
    return list(value)


def refuse(at: Place, why: str) -> NoReturn:
    raise SamplingRefused(f"the JSON schema at {at.path}: {why}")
