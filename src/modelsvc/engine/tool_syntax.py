"""How a model writes its calls of tools, told from its chat template. Pure.

All of them write JSON with a name and arguments, and differ in what stands around it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Syntax:
    """`opening`: what begins a call, or several. An answer `bare` of it may begin with the JSON instead.

    `closing`: what ends it; "" when that is the answer's end. `forced` is the same as grammar, around the rule `call`:
    its beginning, what stands between calls, and its end.
    """

    opening: str
    closing: str
    forced: tuple[str, str, str]
    arguments: str = "arguments"
    bare: bool = False


HERMES = Syntax(
    "<tool_call>", "</tool_call>", ("<tool_call>\\n", "\\n</tool_call>\\n<tool_call>\\n", "\\n</tool_call>")
)
MISTRAL = Syntax("[TOOL_CALLS]", "", ("[TOOL_CALLS][", ", ", "]"))
LLAMA = Syntax("<|python_tag|>", "", ("", "; ", ""), "parameters", bare=True)
PLAIN = Syntax("<tool_call>", "</tool_call>", ("", "; ", ""), bare=True)  # for calls that are forced anyway

# What a template must have in it, as regular expressions; quotes in its own strings are escaped.
_TELLING = (
    (HERMES, (r"<tool_call>", r"\bname\\?[\"']", r"\barguments\\?[\"']")),
    (MISTRAL, (r"\[TOOL_CALLS\]",)),
    (LLAMA, (r"ipython", r"\bname\\?[\"']", r"\bparameters\\?[\"']")),
)
_NO_JSON = ("<function=", "<arg_key>", "<parameter name", "<invoke")
# Control tokens in some vocabularies, which would leave no trace in an answer's text.
MARKERS = ("<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>")


def syntax_of(template: str) -> Syntax | None:
    """None when the template shows none that is known here."""
    if any(words in template for words in _NO_JSON):
        return None
    found = (syntax for syntax, words in _TELLING if all(re.search(word, template) for word in words))
    return next(found, None)


def call_schema(syntax: Syntax, functions: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The JSON schema of a call of one of the functions. Their own references still lead to where they did."""
    return {"anyOf": [_one(syntax, number, function) for number, function in enumerate(functions)]}


def forced_calls(syntax: Syntax, call_grammar: str, *, several: bool) -> str:
    """GBNF of an answer that calls. `call_grammar`: that of the schema, whose rule is `root`."""
    before, between, after = (f'"{part}"' for part in syntax.forced)
    more = f"({between} call)*" if several else ""
    return (
        re.sub("^root ::=", "call ::=", call_grammar, flags=re.MULTILINE) + f"root ::= {before} call {more} {after}\n"
    )


def _one(syntax: Syntax, number: int, function: Mapping[str, Any]) -> dict[str, Any]:
    at = f"#/anyOf/{number}/properties/{syntax.arguments}"
    return {
        "type": "object",
        "properties": {"name": {"const": function["name"]}, syntax.arguments: _moved(function["parameters"], at)},
        "required": ["name", syntax.arguments],
        "additionalProperties": False,
    }


_SCHEMAS_BY_NAME = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_VALUES = ("const", "enum", "default", "examples")  # which are no schemas, whatever they look like


def _moved(schema: Any, to: str) -> Any:
    """A schema whose references are right when it is a part of another one."""
    if isinstance(schema, Mapping):
        return {key: _moved_part(key, value, to) for key, value in schema.items()}
    if isinstance(schema, Sequence) and not isinstance(schema, str):
        return [_moved(each, to) for each in schema]
    return schema


def _moved_part(key: str, value: Any, to: str) -> Any:
    if key == "$ref" and isinstance(value, str) and (value == "#" or value.startswith("#/")):
        return to + value[1:]
    if key in _SCHEMAS_BY_NAME and isinstance(value, Mapping):
        return {name: _moved(each, to) for name, each in value.items()}
    return value if key in _VALUES else _moved(value, to)
