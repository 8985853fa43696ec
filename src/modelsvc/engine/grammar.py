"""A JSON schema as a grammar, whose every text is valid JSON that the schema allows. Pure.

It allows less than the schema does where a model needs no more: an object's properties come in the schema's order, and
those it does not name are left out; an array has all its `prefixItems`. What it cannot hold to is refused, never
ignored: then the answer would be wrong. `oneOf` is taken as `anyOf`, and keywords that JSON schema itself leaves
without effect (`title`, `default`, a `format` not known here) have none.
"""

import re
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any
from urllib.parse import unquote

from modelsvc.engine import gbnf
from modelsvc.engine.ambiguity import WAYS, Shape
from modelsvc.engine.errors import SamplingRefused
from modelsvc.engine.patterns import Pattern
from modelsvc.engine.ranges import integers, numbers
from modelsvc.engine.schema import (
    ASSERTING,
    COMBINING,
    OF_TYPES,
    TYPES,
    UNKNOWN,
    Place,
    between,
    bounds,
    check_form,
    refuse,
)

DEPTH = 48
NODES = 2000
REPEATS = 1000  # llama.cpp counts no further in one rule
ALL_REPEATS = 10_000
SCHEMA_BYTES = 1 << 16


def object_grammar() -> str:
    """Any JSON object."""
    return schema_grammar({"type": "object"})


def schema_grammar(schema: Mapping[str, Any]) -> str:
    """GBNF with the rule `root`. Raises SamplingRefused, which names the place in the schema."""
    try:
        size = len(gbnf.encoded(schema).encode())
    except (ValueError, RecursionError) as error:
        raise SamplingRefused(f"the JSON schema is no JSON: {error}") from error
    if size > SCHEMA_BYTES:
        raise SamplingRefused(f"the JSON schema has {size} bytes, but at most {SCHEMA_BYTES} are read: shorten it")
    try:
        return _Converter(schema).convert()
    except RecursionError as error:
        raise SamplingRefused("the JSON schema is too deep: nest less") from error


class _Converter:
    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._rules = gbnf.Rules()
        self._references: dict[str, str] = {}  # to the rules that stand for them
        self._shape = Shape()
        self._nodes = 0
        self._repeats = 0
        self._by_type: Mapping[str, Callable[[Mapping[str, Any], Place], str]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": self._number,
            "number": self._number,
        }

    def convert(self) -> str:
        self._rules.set("root", self._visit(self._schema, Place()))
        self._refuse_references(self._shape.itself(), "is nothing but itself")
        self._refuse_references(self._shape.endless(), "contains itself without an end: let it be left out, or be null")
        if too_much := self._shape.too_much():
            raise SamplingRefused(f"the JSON schema {too_much}")
        return self._rules.text()

    def _refuse_references(self, rules: Set[str], why: str) -> None:
        for pointer, rule in self._references.items():
            if rule in rules:
                refuse(Place(pointer), f"{pointer} {why}")

    def _visit(self, schema: object, at: Place) -> str:
        """The rule for a value of this schema."""
        self._nodes += 1
        if self._nodes > NODES or at.depth > DEPTH:
            refuse(at, f"it goes beyond {NODES} parts or {DEPTH} levels: make it smaller")
        if schema is True:
            return gbnf.VALUE
        if not isinstance(schema, Mapping):
            refuse(at, "nothing is allowed here" if schema is False else "a schema is an object, or true")
        check_form(schema, at)
        if unknown := UNKNOWN & schema.keys() - ({"uniqueItems"} if schema.get("uniqueItems") is False else set()):
            refuse(
                at, f"{min(unknown)} cannot be held to while the answer is written: leave it out and check the answer"
            )
        key = next((key for key in COMBINING if key in schema), None)
        return self._typed(schema, at) if key is None else self._combined(key, schema, at)

    def _combined(self, key: str, schema: Mapping[str, Any], at: Place) -> str:
        value, constant = schema[key], key in ("const", "enum")
        if beside := ASSERTING & schema.keys() - {key, "type" if constant else key}:
            refuse(at, f"{key} beside {min(beside)} cannot be held to: write them as one schema")
        if constant:
            return self._constants([value] if key == "const" else value, schema.get("type", list(TYPES)), at)
        if key == "$ref":
            return self._reference(value, at)
        if key == "allOf" and len(value) > 1:
            refuse(at, "allOf of several schemas cannot be held to: write them as one")
        return self._any_of([(other, at.within(key, i)) for i, other in enumerate(value)], at)

    def _constants(self, values: Sequence[Any], kind: str | Sequence[str], at: Place) -> str:
        kinds = [kind] if isinstance(kind, str) else kind
        fitting = [value for value in values if any(TYPES[name](value) for name in kinds)]
        if not fitting:
            refuse(at, "no value is allowed here")
        return self._rules.one_of(map(gbnf.encoded, fitting))

    def _any_of(self, schemas: Sequence[tuple[object, Place]], at: Place) -> str:
        rules = list(dict.fromkeys(self._visit(schema, place) for schema, place in schemas))
        if not rules:
            refuse(at, "nothing is allowed here")
        if len(rules) == 1:
            return rules[0]
        rule = self._rules.name(" | ".join(rules))
        self._shape.choice(rule, rules)
        return rule

    def _reference(self, pointer: str, at: Place) -> str:
        if pointer not in self._references:
            rule = self._references[pointer] = self._rules.reserve()
            found = self._visit(self._find(pointer, at), Place(pointer, at.depth + 1))
            self._rules.set(rule, found)
            self._shape.choice(rule, [found])
        return self._references[pointer]

    def _find(self, pointer: str, at: Place) -> object:
        if not pointer.startswith("#"):
            refuse(at, f"it refers to {pointer!r}, outside of it: put that into $defs. Nothing is fetched")
        start, *steps = unquote(pointer).split("/")
        if start != "#":
            refuse(at, f"it refers to {pointer!r}, by an anchor: name the place, as in #/$defs/name")
        found: Any = self._schema
        for key in (step.replace("~1", "/").replace("~0", "~") for step in steps):
            try:
                found = found[_index(key)] if isinstance(found, list) else found[key]
            except (KeyError, IndexError, ValueError, TypeError):
                refuse(at, f"it refers to {pointer}, which is not there")
        return found

    def _typed(self, schema: Mapping[str, Any], at: Place) -> str:
        kinds = schema.get("type", [kind for kind, keys in OF_TYPES.items() if keys & schema.keys()])
        if "type" not in schema and not kinds:
            return gbnf.VALUE
        if isinstance(kinds, list):
            return self._any_of([({**schema, "type": kind}, at) for kind in kinds], at)
        return self._by_type[kinds](schema, at) if kinds in self._by_type else kinds

    def _number(self, schema: Mapping[str, Any], at: Place) -> str:
        integer = schema.get("type") == "integer"
        if not OF_TYPES["number"] & schema.keys():
            return "integer" if integer else "number"
        within = between(schema, at)
        if not (expression := (integers if integer else numbers)(within)):
            refuse(at, "no number is within its bounds")
        return self._rules.name(expression)

    def _string(self, schema: Mapping[str, Any], at: Place) -> str:
        if "pattern" in schema:
            return self._pattern(schema, at)
        if "minLength" in schema or "maxLength" in schema:
            times = self._times(*bounds(schema, "minLength", "maxLength", at), at)
            return self._rules.name(rf'"\"" {gbnf.CHARACTER}{times} "\""')
        if (kind := schema.get("format")) in gbnf.FORMATS:
            return self._rules.name(rf'"\"" ({gbnf.FORMATS[kind]}) "\""')
        return gbnf.STRING

    def _pattern(self, schema: Mapping[str, Any], at: Place) -> str:
        pattern = schema["pattern"]
        if {"minLength", "maxLength"} & schema.keys():
            refuse(at, "pattern has to have no minLength or maxLength beside it")
        try:
            expression = Pattern(pattern, self._rules.name).expression
        except (ValueError, OverflowError, re.error) as error:
            refuse(at, f"the pattern {pattern[:60]!r} cannot be held to: {error}")
        return self._rules.name(rf'"\"" ({expression}) "\""')

    def _array(self, schema: Mapping[str, Any], at: Place) -> str:
        first: Sequence[object] = schema.get("prefixItems", ())
        least, most = bounds(schema, "minItems", "maxItems", at)
        heads = [self._visit(item, at.within("prefixItems", i)) for i, item in enumerate(first[:most])]
        more = schema.get("items", not heads or least > len(heads))
        if more is False or most == len(heads):
            if least > len(heads):
                refuse(at, f"minItems asks for more than the {len(heads)} that it allows")
            return self._array_rule(_array_of(heads, ""), heads, needed=heads)
        item = self._visit(more, at.within("items"))
        optional = not heads and not least
        heads = heads or [item]
        times = self._times(max(least - len(heads), 0), None if most is None else most - len(heads), at)
        following = self._rules.name(f'"," space {item} space')
        needed = [] if optional else [*heads, *([item] if least > len(heads) else [])]
        return self._array_rule(_array_of(heads, f" {following}{times}", optional=optional), [*heads, item], needed)

    def _array_rule(self, expression: str, items: Sequence[str], needed: Sequence[str]) -> str:
        rule = self._rules.name(expression)
        self._shape.parts(rule, items, needed=needed, first=items[:1])
        return rule

    def _object(self, schema: Mapping[str, Any], at: Place) -> str:
        properties, required = schema.get("properties", {}), schema.get("required", ())
        others = schema.get("additionalProperties", schema.get("unevaluatedProperties", True))
        if not properties and not required:
            return self._map(others, schema.get("propertyNames", True), at)
        if "propertyNames" in schema:
            refuse(at, "propertyNames beside properties or required cannot be held to: leave it out")
        schemas = {**properties, **{name: others for name in required if name not in properties}}
        pairs = [(self._pair(name, inner, at), name in required) for name, inner in schemas.items()]
        rule = self._rules.name(self._in_order(pairs, at))
        self._shape.parts(rule, [pair for pair, _ in pairs], needed=[pair for pair, required in pairs if required])
        return rule

    def _map(self, values: object, names: object, at: Place) -> str:
        if values is False or names is False:
            return self._rules.name('"{" space "}"')
        value = self._visit(values, at.within("additionalProperties"))
        name = gbnf.STRING if names is True else self._name(names, at.within("propertyNames"))
        pair = self._rules.name(f'{name} space ":" space {value} space')
        rule = self._rules.name(f'"{{" space ({pair} ("," space {pair})*)? "}}"')
        self._shape.parts(rule, [name, value])
        return rule

    def _name(self, schema: object, at: Place) -> str:
        for _ in range(DEPTH):
            if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
                schema = self._find(schema["$ref"], at)
        if not isinstance(schema, Mapping) or schema.get("type", "string") != "string":
            refuse(at, "a name's schema is an object, and its type string")
        return self._visit({**schema, "type": "string"}, at)

    def _pair(self, name: str, schema: object, at: Place) -> str:
        value = self._visit(schema, at.within("properties", name))
        pair = self._rules.name(f'{gbnf.literal(gbnf.encoded(name))} space ":" space {value} space')
        self._shape.parts(pair, [value], needed=[value])
        return pair

    def _in_order(self, pairs: Sequence[tuple[str, bool]], at: Place) -> str:
        """An object of these pairs, of which those not required may be left out. Built from its end."""
        start, rest, needed, left_out = "", "", False, 0
        for pair, required in reversed(pairs):
            skipped = f" | {start}" if start and not required else ""
            start = self._rules.name(f"{pair} {rest}{skipped}")
            needed, left_out = needed or required, 0 if required else left_out + 1
            rest = f'"," space {start}' if needed else f'("," space {start})?'
            if left_out >= WAYS:
                refuse(at, f"{WAYS} properties in a row may be left out: require some")
        return f'"{{" space {start if needed else f"{start}?"} "}}"'

    def _times(self, least: int, most: int | None, at: Place) -> str:
        count = least if most is None else most
        self._repeats += count
        if count > REPEATS or self._repeats > ALL_REPEATS:
            refuse(at, f"{count} repetitions cannot be counted: at most {REPEATS} at once and {ALL_REPEATS} in all")
        return f"{{{least},{'' if most is None else most}}}"


def _index(key: str) -> int:
    """Raises ValueError for what JSON pointers do not take for one, as -1."""
    if not re.fullmatch("0|[1-9][0-9]{0,8}", key):
        raise ValueError(key)
    return int(key)


def _array_of(heads: Sequence[str], rest: str, *, optional: bool = False) -> str:
    items = ' "," space '.join(f"{head} space" for head in heads) + rest
    return f'"[" space {f"({items})?" if optional else items} "]"'
