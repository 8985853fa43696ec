"""JSON schemas as grammars: whatever a model draws, the answer is JSON that the schema allows."""

import json
import re
import time
from collections.abc import Iterator
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema_rs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from tests.worker.drawing import Desk, desk

from modelsvc.engine.errors import SamplingRefused
from modelsvc.engine.grammar import object_grammar, schema_grammar
from modelsvc.engine.ranges import Range, integers
from modelsvc.engine.schema import COMBINING, OF_TYPES, TYPES, UNKNOWN


@pytest.fixture(scope="module")
def random(babble: Path) -> Iterator[Desk]:
    with desk(babble) as found:
        yield found


def answer(random: Desk, schema: dict[str, Any], seed: int, max_tokens: int = 5000, keen: bytes = b'"]}') -> str | None:
    """What random weights say, a little keener on closing what they opened.

    Bytes that begin overlong forms are left out: llama.cpp takes those for characters. No trained model writes them.
    """
    closing = [(random.token(bytes([byte])), 2.0) for byte in keen]
    never = [(random.token(piece), -100.0) for piece in (b"\xe0", b"\xf0")]
    return random.answer(
        max_tokens,
        grammar=schema_grammar(schema),
        seed=seed,
        logit_bias=(*closing, *never),
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        min_p=0.0,
    )


def validate(schema: dict[str, Any], value: Any) -> None:
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(value)


def check(random: Desk, schema: dict[str, Any], seed: int = 1) -> Any:
    text = answer(random, schema, seed)
    assert text is not None, "no end"
    value = json.loads(text)
    validate(schema, value)
    return value


NODE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
            },
            "required": ["value", "next"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "any value": {},
    "an object": {"type": "object"},
    "required and optional properties": {
        "type": "object",
        "properties": {
            "a": {"type": "boolean"},
            "b": {"type": "null"},
            "c": {"type": "integer"},
            "d": {"type": "number"},
        },
        "required": ["b", "d"],
    },
    "properties that may all be left out": {"properties": {"a": {"type": "null"}, "b": {"type": "null"}}},
    "a required property that is not described": {"properties": {"a": {"type": "null"}}, "required": ["b"]},
    "a map of certain names": {"type": "object", "propertyNames": {"pattern": "^[ab]$"}},
    "a map without names": {"type": "object", "propertyNames": False},
    "a map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "nothing in an object": {"type": "object", "additionalProperties": False},
    "arrays of a length": {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4},
    "an empty array": {"type": "array", "items": {"type": "boolean"}, "maxItems": 0},
    "a long array": {"type": "array", "items": {"type": "null"}, "minItems": 50},
    "a tuple": {"type": "array", "prefixItems": [{"type": "null"}, {"const": 1}], "items": False},
    "a tuple and more": {"prefixItems": [{"type": "null"}], "items": {"const": 1}, "minItems": 3, "maxItems": 4},
    "strings of a length": {"type": "string", "minLength": 2, "maxLength": 5},
    "a date": {"type": "string", "format": "date"},
    "a time": {"type": "string", "format": "time"},
    "a moment": {"type": "string", "format": "date-time"},
    "a uuid": {"type": "string", "format": "uuid"},
    "a format that is a remark": {"type": "string", "format": "email-ish"},
    "several types": {"type": ["integer", "null"]},
    "texts that share beginnings": {"enum": ["a", "ab", "abc", "b", 'q"uote', "back\\slash", "new\nline", "é€😀"]},
    "values of all kinds": {"enum": [None, True, -1.5, 10, [1, "a"], {"a": {"b": []}}]},
    "values of one type": {"type": "string", "enum": ["a", None, 1]},
    "a constant": {"const": {"a": ["\u2028", "\x7f", "\x00"]}},
    "a choice": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "null"}, "maxItems": 2}]},
    "what older pydantic writes": {
        "allOf": [{"$ref": "#/definitions/E"}],
        "definitions": {"E": {"enum": ["x"]}},
        "default": "x",
    },
    "names that need escapes": {
        "type": "object",
        "properties": {'a"\\\n/~é': {"type": "null"}},
        "required": ['a"\\\n/~é'],
    },
    "no key but those named, in a new word": {
        "properties": {"a": {"type": "null"}},
        "required": ["a"],
        "unevaluatedProperties": False,
    },
    "no key at all, in a new word": {"type": "object", "unevaluatedProperties": False},
    "values that look like references": {"const": {"$ref": "#foo"}},
    "a pointer with a slash in percent": {"$ref": "#/$defs%2Fa", "$defs": {"a": {"type": "null"}}},
    "a pointer to an empty name": {"$ref": "#/$defs/", "$defs": {"": {"type": "null"}}},
    "a pointer into a list": {"anyOf": [{"type": "null"}, {"$ref": "#/anyOf/0"}]},
    "a pointer with escapes": {"$ref": "#/$defs/a~1b~0c%25", "$defs": {"a/b~c%": {"type": "null"}}},
    "definitions named like types": {
        "$defs": {"string": {"type": "null"}, "root": {"$ref": "#/$defs/string"}},
        "$ref": "#/$defs/root",
    },
    "a share": {"type": "number", "minimum": 0, "maximum": 1},
    "above nothing": {"type": "number", "exclusiveMinimum": 0},
    "below nothing": {"exclusiveMaximum": 0.0},
    "between neighbours": {"type": "number", "exclusiveMinimum": -1, "exclusiveMaximum": 0},
    "a list that contains itself": NODE,
    "arrays of arrays": {"anyOf": [{"type": "array", "items": {"$ref": "#"}, "maxItems": 1}, {"type": "null"}]},
}


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("seed", range(5))
def test_random_weights_answer_what_the_schema_allows(random: Desk, name: str, seed: int) -> None:
    """Valid JSON, of the schema: at temperature 1, by weights that know nothing."""
    check(random, SCHEMAS[name], seed)


LEAVES = st.one_of(
    st.sampled_from([{"type": kind} for kind in ("null", "boolean", "integer", "number")]),
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 3),
        st.integers(0, 3),
    ),
    st.builds(lambda values: {"enum": values}, st.lists(st.text(max_size=5), min_size=1, max_size=5)),
    st.builds(lambda value: {"const": value}, st.recursive(st.none() | st.text(max_size=3), st.lists, max_leaves=3)),
)


def _deeper(schemas: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.dictionaries(st.text(max_size=4), schemas, max_size=4)
    return st.one_of(
        st.builds(lambda items: {"type": "array", "items": items, "maxItems": 3}, schemas),
        st.builds(lambda choices: {"anyOf": choices}, st.lists(schemas, min_size=1, max_size=3)),
        names.flatmap(
            lambda properties: st.builds(
                lambda required: {"type": "object", "properties": properties, "required": sorted(required)},
                st.sets(st.sampled_from(sorted(properties))) if properties else st.just(set()),
            )
        ),
    )


@settings(max_examples=300, deadline=None)
@given(schema=st.recursive(LEAVES, _deeper, max_leaves=6), seed=st.integers(0, 1000))
def test_any_schema_that_is_taken_is_kept(random: Desk, schema: dict[str, Any], seed: int) -> None:
    text = answer(random, schema, seed)
    assume(text is not None)
    validate(schema, json.loads(text or ""))


@settings(max_examples=300, deadline=None)
@given(
    low=st.integers(-2000, 2000),
    size=st.integers(1, 300),
    keys=st.tuples(st.sampled_from(["minimum", "exclusiveMinimum"]), st.sampled_from(["maximum", "exclusiveMaximum"])),
    kind=st.sampled_from(["integer", "number"]),
    seed=st.integers(0, 1000),
)
def test_numbers_stay_within_their_bounds(
    random: Desk, low: int, size: int, keys: tuple[str, str], kind: str, seed: int
) -> None:
    schema = {"type": kind, keys[0]: low, keys[1]: low + size + 1}
    validate(schema, json.loads(answer(random, schema, seed) or ""))


@settings(max_examples=200, deadline=None)
@given(low=st.integers(-1200, 1200), size=st.integers(0, 130))
def test_all_numbers_within_bounds_can_be_said(low: int, size: int) -> None:
    """And no others: the grammar of whole numbers is a regular expression, but for its spelling."""
    pattern = re.compile((integers(Range(low, low + size)) or "").replace('"', "").replace(" ", ""))
    for number in range(low - 150, low + size + 150):
        assert bool(pattern.fullmatch(str(number))) == (low <= number <= low + size)


PATTERNS = [
    "^[a-z]{2,4}$",
    r"^\\d{3}-\\d{4}$",
    r"^[\\w.+-]+@[\\w-]+\\.[a-z]{2,3}$",
    "^(foo|ba(r|z)?)$",
    "^a|b$",
    "b",
    '^"\\\\\n.$',
    "^[^a-z]{3}$",
    r"^\\S\\s\\W\\D$",
    "^(a*)*(b?)+?$",
    "^[é€😀]{2}$",
    "^[[a]$",
    "^$",
    "",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("seed", range(10))
def test_strings_match_their_pattern(random: Desk, pattern: str, seed: int) -> None:
    text = answer(random, {"pattern": pattern}, seed, keen=b'"ab')
    validate({"type": "string", "pattern": pattern}, json.loads(text or ""))


_KEYWORDS = sorted({"type", *COMBINING, *UNKNOWN, "$defs", "format", "title"}.union(*OF_TYPES.values()))
_ODD_VALUES: list[Any] = [
    *TYPES,
    [*TYPES],
    "#",
    "#/",
    "#/$defs/a",
    "#/$defs/b",
    "#foo",
    "^a+$",
    "[[a]",
    "(",
    "date",
    10**30,
    1e300,
    -1,
]


def _any_schema(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    named = st.dictionaries(st.sampled_from("ab"), values, min_size=1, max_size=2)
    return st.dictionaries(st.sampled_from(_KEYWORDS), values | named | st.lists(values, max_size=3), max_size=4)


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(_ODD_VALUES),
    lambda values: st.lists(values, max_size=3) | _any_schema(values),
    max_leaves=8,
)


@settings(max_examples=3000, deadline=None)
@given(schema=_any_schema(ANY_JSON))
def test_any_json_is_a_grammar_or_refused(random: Desk, schema: dict[str, Any]) -> None:
    """Whatever a client sends as its schema: nothing else is raised, and llama.cpp reads what it is given."""
    try:
        grammar = schema_grammar(schema)
    except SamplingRefused as error:
        assert "the JSON schema" in str(error)
        return
    random.sampler(grammar=grammar).close()


def test_an_answer_that_is_cut_has_no_end(random: Desk) -> None:
    """The control case of the above: the end is the grammar's, not the test's."""
    assert answer(random, SCHEMAS["a long array"], 1, max_tokens=20) is None


def test_json_mode_is_an_object(random: Desk) -> None:
    biases = tuple((random.token(piece), 3.0) for piece in (b'"', b"]", b"}"))
    text = random.answer(5000, grammar=object_grammar(), seed=3, logit_bias=biases, temperature=1.0)
    assert isinstance(json.loads(text or ""), dict)


def test_blanks_are_few(random: Desk) -> None:
    """A model that would write nothing but blanks has to go on."""
    biases = tuple((random.token(piece), 100.0) for piece in (b" ", b"\n", b"\t"))
    text = random.answer(300, grammar=schema_grammar({"const": [1, 2]}), logit_bias=biases, temperature=0.0)
    assert text == "[1,2]"
    schema = {"type": "array", "items": {"type": "null"}, "minItems": 2, "maxItems": 2}
    text = random.answer(300, grammar=schema_grammar(schema), logit_bias=biases, temperature=0.0)
    assert json.loads(text or "") == [None, None]
    assert len(text or "") < 150


def chain(length: int) -> dict[str, Any]:
    """Each definition may be the next one in two ways: 2 to the power of `length` ways in all."""
    link = {
        f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}, {"const": i}]}]}
        for i in range(length)
    }
    return {"$defs": {**link, f"d{length}": {"type": "null"}}, "$ref": "#/$defs/d0"}


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def layers(depth: int, width: int) -> dict[str, Any]:
    """Objects that begin alike, on each level."""
    defs: dict[str, Any] = {f"l{depth}": {"type": "null"}}
    for level in range(depth):
        inner = {"$ref": f"#/$defs/l{level + 1}"}
        choices = [{"properties": {"a": inner, f"b{i}": {}}, "required": ["a"]} for i in range(width)]
        defs[f"l{level}"] = {"anyOf": choices}
    return {"$defs": defs, "$ref": "#/$defs/l0"}


def choosing(width: int, kind: str) -> dict[str, Any]:
    """A choice of values that contain the choice, and of null."""
    again = {"$ref": "#"}
    inner = [
        {kind: {"a": again, "b": {"const": i}} if kind == "properties" else [again, {"const": i}]} for i in range(width)
    ]
    return {"anyOf": [*inner, {"type": "null"}]}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown type": ({"type": "text"}, "#: type has to be one of null, .*, not 'text'"),
    "a type that is none": ({"type": {"a": 1}}, "type has to be .*, not {'a': 1}"),
    "names of properties": (
        {"properties": {"a": {}}, "propertyNames": {"const": "a"}},
        "propertyNames beside properties",
    ),
    "names that are no texts": ({"propertyNames": {"type": "integer", "const": 1}}, "and its type string"),
    "names that are none": ({"propertyNames": 1}, "propertyNames has to be a schema"),
    "names of all kinds": ({"propertyNames": {"anyOf": [{}]}}, "anyOf beside type"),
    "names that go round": ({"propertyNames": {"$ref": "#/propertyNames"}}, "beside type"),
    "a place in it": ({"properties": {"a": {"multipleOf": 2}}}, "#/properties/a: multipleOf cannot be held to"),
    "a pattern that looks ahead": ({"pattern": "^(?=a)b$"}, "'.*' cannot be held to: it has a look-ahead"),
    "a pattern that looks back": ({"pattern": r"^(a)\1$"}, "it has a back-reference"),
    "a pattern with an anchor inside": ({"pattern": "^a$b"}, "it has an anchor"),
    "a pattern that is none": ({"pattern": "("}, "cannot be held to: missing"),
    "a pattern that is no text": ({"pattern": 1}, "pattern has to be a text, not 1"),
    "a pattern and a length": ({"pattern": "^a$", "maxLength": 5}, "pattern has to have no minLength or maxLength"),
    "a pattern that explodes": ({"pattern": "^((((a?){9}){9}){9}){9}$"}, "more than 1000 places"),
    "a pattern of nothing": ({"pattern": "^[^\\s\\S]$"}, "a class of no characters"),
    "steps": ({"type": "integer", "multipleOf": 2}, "multipleOf cannot be held to"),
    "a bound with a fraction": (
        {"type": "number", "maximum": 0.5},
        "maximum 0.5 cannot be held to: give a whole number",
    ),
    "an endless bound": ({"minimum": 1e999}, "no JSON"),
    "a bound of an old draft": (
        {"type": "number", "minimum": 1, "exclusiveMinimum": True},
        "exclusiveMinimum has to be a number, not True",
    ),
    "bounds with nothing between": ({"type": "integer", "minimum": 3, "exclusiveMaximum": 3}, "no number is within"),
    "unique items": ({"type": "array", "uniqueItems": True}, "uniqueItems cannot be held to"),
    "a remote reference": (
        {"$ref": "https://example.com/a.json"},
        r"refers to 'https://example.com/a.json', outside of it",
    ),
    "a relative reference": ({"$ref": "a.json"}, "Nothing is fetched"),
    "a reference to nowhere": ({"$ref": "#/$defs/x"}, "#/\\$defs/x, which is not there"),
    "a reference into a value": ({"$ref": "#/type/x", "$defs": {}}, "which is not there"),
    "a reference that is a number": ({"$ref": 1}, r"\$ref has to be a text, not 1"),
    "itself": ({"$ref": "#"}, "# is nothing but itself"),
    "a circle": ({"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {}]}}}, "nothing but itself"),
    "a circle that is also within itself": (
        {
            "$defs": {
                "v": {"anyOf": [{"items": {"$ref": "#/$defs/w"}}, {"$ref": "#/$defs/w"}]},
                "w": {"anyOf": [{"$ref": "#/$defs/v"}, {"type": "null"}]},
            },
            "$ref": "#/$defs/v",
        },
        "nothing but itself",
    ),
    "an anchor": (
        {"properties": {"a": {"$ref": "#foo"}}, "$defs": {"x": {"$anchor": "foo"}}},
        "#/properties/a: it refers to '#foo', by an anchor",
    ),
    "a reference from the end": ({"anyOf": [{"$ref": "#/anyOf/-1"}, {}]}, "#/anyOf/-1, which is not there"),
    "no end": ({"properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "#: # contains itself without an end"),
    "no end in an array": ({"items": {"$ref": "#"}, "minItems": 1}, "without an end"),
    "no end in a tuple": ({"prefixItems": [{"$ref": "#"}], "items": False}, "without an end"),
    "no end in any of several": (
        {
            "$defs": {"a": {"anyOf": [{"prefixItems": [{"$ref": "#/$defs/a"}]}]}},
            "properties": {"b": {"$ref": "#/$defs/a"}},
        },
        "#/\\$defs/a: .* without an end",
    ),
    "beside a reference": ({"$ref": "#/$defs/a", "type": "null", "$defs": {"a": {}}}, r"\$ref beside type"),
    "beside a choice": ({"anyOf": [{"required": ["a"]}], "properties": {}}, "anyOf beside properties"),
    "beside a constant": ({"const": "a", "minLength": 3}, "const beside minLength"),
    "several at once": ({"allOf": [{}, {}]}, "allOf of several schemas"),
    "no value": ({"type": "string", "enum": [1]}, "no value is allowed"),
    "no choice": ({"anyOf": []}, "nothing is allowed"),
    "never": ({"type": "array", "items": False, "minItems": 1}, "minItems asks for more than the 0"),
    "a required property that may not be": (
        {"required": ["a"], "additionalProperties": False},
        "a: nothing is allowed",
    ),
    "bounds that are none": ({"type": "string", "maxLength": "5"}, "maxLength has to be a whole number, .*, not '5'"),
    "bounds the wrong way": ({"type": "string", "minLength": 5, "maxLength": 3}, "5 is more than maxLength 3"),
    "too many repetitions": ({"type": "string", "maxLength": 100_000}, "100000 repetitions cannot be counted"),
    "exploding repetitions": ({"prefixItems": [{"type": "string", "maxLength": 999 - i} for i in range(50)]}, "in all"),
    "too many ways": (chain(14), "more than 128 ways"),
    "too deep": (nested(100), "48 levels"),
    "too deep to read": (nested(20_000), "no JSON|too deep"),
    "too long": ({"description": "x" * 100_000}, "at most 65536 are read"),
    "too many parts": ({"prefixItems": [{"type": "null"}] * 3000}, "2000 parts"),
    "too many optional properties": ({"properties": {f"p{n}": {} for n in range(200)}}, "128 properties in a row"),
    "choices in choices": (layers(3, 20), "more than 1000 readings"),
    "a choice in many of its alternatives": (choosing(9, "properties"), "more than 8 of its own alternatives"),
    "arrays within arrays in several ways": (choosing(2, "prefixItems"), "several arrays that begin with that choice"),
    "no number": ({"const": float("nan")}, "no JSON"),
    "no text": ({"const": "\ud800"}, "no JSON"),
    "properties that are none": ({"properties": [1]}, "properties has to be an object of schemas, not \\[1]"),
    "no key but those named, beside a reference": (
        {"$ref": "#/$defs/a", "unevaluatedProperties": False, "$defs": {"a": {}}},
        r"\$ref beside unevaluatedProperties",
    ),
    "a length of null": (
        {"properties": {"a": {"minLength": None}}},
        "#/properties/a: minLength has to be .*, not None",
    ),
    "a bound of null": ({"minimum": None}, "minimum has to be a number, not None"),
    "a length of true": ({"minItems": True}, "minItems has to be a whole number, 0 or more, not True"),
    "a type that is none, beside values": ({"type": {}, "enum": [1]}, "type has to be"),
    "a list of types that are none": ({"type": [[]], "const": 1}, "type has to be .*, not \\[\\[]]"),
    "names that are no list": ({"required": "abc"}, "required has to be a list of names, not 'abc'"),
    "a schema that is none": ({"items": 5}, "items has to be a schema: an object, true or false, not 5"),
    "an enum that is none": ({"enum": "abc"}, "enum has to be a list, not 'abc'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_held_to_is_refused(name: str) -> None:
    """With the place, the reason, and what to do; and at once."""
    schema, message = REFUSED[name]
    began = time.monotonic()
    with pytest.raises(SamplingRefused, match=message):
        schema_grammar(schema)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "names", [["a" * n for n in range(1, 300)], [f"{n}" for n in range(900)], ["x" * 30_000, "x" * 29_999]]
)
def test_large_enums_are_taken(random: Desk, names: list[str]) -> None:
    random.sampler(grammar=schema_grammar({"enum": names})).close()


def test_many_definitions_and_properties_are_taken(random: Desk) -> None:
    random.sampler(grammar=schema_grammar(chain(4))).close()
    names = [f"p{n}" for n in range(500)]
    wide = {"properties": {name: {"type": "string"} for name in names}, "required": names[100:]}
    random.sampler(grammar=schema_grammar(wide)).close()


class Shade(Enum):
    LIGHT = "light"
    DARK = "dark"


class Part(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=8)]
    share: Annotated[float, Field(ge=0, le=1)]
    parts: list["Part"] = []


class Order(BaseModel):
    """As applications write them."""

    number: Annotated[int, Field(gt=0)]
    code: Annotated[str, Field(pattern=r"^[A-Z]{2}-\d{3}$")]
    shade: Shade
    kind: Literal["new", "used"] = "new"
    on: date
    note: Annotated[str, Field(max_length=5)] | None = None
    main: Part
    sizes: tuple[int, bool]
    counts: dict[Shade, int] = {}
    either: Annotated[int, Field(le=5)] | Annotated[list[bool], Field(max_length=2)]


@pytest.mark.parametrize("seed", range(20))
def test_a_pydantic_model_reads_what_its_schema_made(random: Desk, seed: int) -> None:
    text = answer(random, Order.model_json_schema(), seed, max_tokens=20_000)
    assert isinstance(Order.model_validate_json(text or ""), Order)
