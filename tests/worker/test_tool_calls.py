"""How models write calls, and how an answer that has some is read: pure."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tool_templates import HERMES_TEMPLATE, LLAMA_TEMPLATE, MISTRAL_TEMPLATE

from modelsvc.engine.tool_reader import Call, ToolReader
from modelsvc.engine.tool_syntax import HERMES, LLAMA, MISTRAL, PLAIN, Syntax, call_schema, forced_calls, syntax_of

NAMES = frozenset({"look", "add"})
LOOK = Call("look", '{"at": "a {b}"}')
ADD = Call("add", '{"x": 1, "y": [2]}')
HERMES_LOOK = '<tool_call>\n{"name": "look", "arguments": {"at": "a {b}"}}\n</tool_call>'
HERMES_ADD = '<tool_call>{"name": "add", "arguments": {"x": 1, "y": [2]}}</tool_call>'
BARE_LOOK = '{"name": "look", "parameters": {"at": "a {b}"}}'

MISTRAL_LOOK = '{"name": "look", "arguments": {"at": "a {b}"}}'


def says(text: str) -> Call:
    return Call("look", json.dumps({"at": text}))


READINGS: list[tuple[Syntax, str, str, list[Call]]] = [
    (HERMES, "Hello.", "Hello.", []),
    (HERMES, " a <b> \n", " a <b> \n", []),
    (HERMES, HERMES_LOOK, "", [LOOK]),
    (HERMES, f"Let me see.\n{HERMES_LOOK}\n{HERMES_ADD}\n", "Let me see.", [LOOK, ADD]),
    (HERMES, f"{HERMES_LOOK} Done.", " Done.", [LOOK]),
    (HERMES, HERMES_ADD.replace('{"x": 1, "y": [2]}', r'"{\"x\": 1, \"y\": [2]}"'), "", [ADD]),
    (HERMES, "<tool_call>nothing</tool_call>", "<tool_call>nothing</tool_call>", []),
    (HERMES, '<tool_call>{"name": "look"', '<tool_call>{"name": "look"', []),
    (HERMES, '{"name": "look", "arguments": {}}', '{"name": "look", "arguments": {}}', []),
    (HERMES, '<tool_call>{"name": "other", "arguments": {}}</tool_call>', "", [Call("other", "{}")]),
    (MISTRAL, '[TOOL_CALLS] [{"name": "look", "arguments": {"at": "a {b}"}}]', "", [LOOK]),
    (MISTRAL, 'See: [TOOL_CALLS]look[ARGS]{"at": "a {b}"}', "See:", [LOOK]),
    (MISTRAL, '[TOOL_CALLS]look{"at": "a {b}"}[TOOL_CALLS]add[ARGS]{"x": 1, "y": [2]}', "", [LOOK, ADD]),
    (MISTRAL, "[TOOL_CALL] no", "[TOOL_CALL] no", []),
    (MISTRAL, '[TOOL_CALLS][{"name": "look", "arguments": {"at": "[TOOL_CALLS] ["}}]', "", [says("[TOOL_CALLS] [")]),
    (MISTRAL, f'[TOOL_CALLS][{MISTRAL_LOOK}, {{"name": "add", "argu', '{"name": "add", "argu', [LOOK]),
    (MISTRAL, '[TOOL_CALLS]look{"at": "a {b}"}[TOOL_CALLS]ad', "ad", [LOOK]),
    (MISTRAL, "[TOOL_CALLS][]", "[TOOL_CALLS][]", []),
    (HERMES, HERMES_LOOK.replace("a {b}", "a </tool_call> b"), "", [says("a </tool_call> b")]),
    (HERMES, HERMES_LOOK.replace("a {b}", "<tool_call>"), "", [says("<tool_call>")]),
    (HERMES, HERMES_LOOK.replace("a {b}", '\\"</tool_call>\\\\'), "", [says('"</tool_call>\\')]),
    (HERMES, f'{HERMES_ADD}<tool_call>{{"name": "look', '<tool_call>{"name": "look', [ADD]),
    (HERMES, f'<tool_call>5" x</tool_call>\n{HERMES_ADD}', '<tool_call>5" x</tool_call>', [ADD]),
    (HERMES, '<tool_call>{"name": "look</tool_call> no', '<tool_call>{"name": "look</tool_call> no', []),
    (HERMES, HERMES_LOOK.replace("a {b}", r"\ud800é"), "", [Call("look", r'{"at": "\ud800\u00e9"}')]),
    (HERMES, HERMES_LOOK.replace("look", r"\ud800"), HERMES_LOOK.replace("look", r"\ud800"), []),
    (HERMES, HERMES_ADD.replace("1", "1e999"), HERMES_ADD.replace("1", "1e999"), []),
    (HERMES, f"{HERMES_LOOK[:-12]} or so</tool_call>", f"{HERMES_LOOK[:-12]} or so</tool_call>", []),
    (PLAIN, f"{BARE_LOOK.replace('a {b}', '</tool_call>')}; {BARE_LOOK}", "", [says("</tool_call>"), LOOK]),
    (LLAMA, BARE_LOOK, "", [LOOK]),
    (LLAMA, f'{BARE_LOOK}; {{"name": "look", "parameters": {{"a', '{"name": "look", "parameters": {"a', [LOOK]),
    (LLAMA, f"{BARE_LOOK} is how", f"{BARE_LOOK} is how", []),
    (LLAMA, f"\n{BARE_LOOK}; {BARE_LOOK}", "", [LOOK, LOOK]),
    (LLAMA, f"<|python_tag|>{BARE_LOOK}", "", [LOOK]),
    (LLAMA, f"It is {BARE_LOOK}", f"It is {BARE_LOOK}", []),
    (LLAMA, '{"name": "other", "parameters": {}}', '{"name": "other", "parameters": {}}', []),
    (LLAMA, '{"answer": 42}', '{"answer": 42}', []),
    (LLAMA, "[1, 2]", "[1, 2]", []),
]


@pytest.mark.parametrize(
    ("syntax", "written", "text", "calls"), READINGS, ids=[written for _, written, _, _ in READINGS]
)
def test_calls_are_told_from_text(syntax: Syntax, written: str, text: str, calls: list[Call]) -> None:
    """In one piece, and in the smallest."""
    assert read(syntax, [written]) == (text, calls)
    assert read(syntax, list(written)) == (text, calls)


@given(st.data())
def test_it_does_not_matter_where_pieces_end(data: st.DataObject) -> None:
    syntax, written, text, calls = data.draw(st.sampled_from(READINGS))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(len(written) - 1, 1)))))
    pieces = [written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    assert read(syntax, pieces) == (text, calls)


@given(st.lists(st.text("<[{tool_call>TOOLCALLS]} \n")))
def test_text_without_a_call_is_told_as_it_is(pieces: list[str]) -> None:
    for syntax in (HERMES, MISTRAL, LLAMA):
        assert read(syntax, pieces) == ("".join(pieces), [])


def test_text_flows_before_a_call_and_nothing_of_the_call_leaks() -> None:
    """Only what may be its beginning waits."""
    reader = ToolReader(HERMES, NAMES)
    assert reader.push("Let me").text == "Let me"
    assert reader.push(" see. <tool").text == " see."
    assert reader.push('_call>{"name": "look", "arg').text == ""
    assert reader.push('uments": {"at": "a {b}"}}</tool_').calls == ()
    assert reader.push("call>").calls == (LOOK,)
    assert reader.push("<to").text == ""
    assert reader.push("ast>").text == "<toast>"


@pytest.mark.parametrize(
    ("template", "syntax"),
    [
        (HERMES_TEMPLATE, HERMES),
        (MISTRAL_TEMPLATE, MISTRAL),
        (LLAMA_TEMPLATE, LLAMA),
        ("{% for tool in tools %}{{ tool }}{% endfor %}", None),
        (HERMES_TEMPLATE + "<tool_call>\n<function=f>", None),
    ],
)
def test_the_template_tells_how_calls_are_written(template: str, syntax: Syntax | None) -> None:
    """Or that it is not known: then nothing is guessed."""
    assert syntax_of(template) == syntax


def test_references_of_a_tool_lead_to_where_they_did() -> None:
    """Within the schema of all calls."""
    parameters = {"$defs": {"p": {"type": "string"}}, "properties": {"a": {"items": [{"$ref": "#/$defs/p"}]}}}
    schema = call_schema(HERMES, [{"name": "none", "parameters": {}}, {"name": "look", "parameters": parameters}])
    moved = schema["anyOf"][1]["properties"]["arguments"]
    (pointer,) = moved["properties"]["a"]["items"]
    found: Any = schema
    for step in pointer["$ref"].split("/")[1:]:
        found = found[int(step)] if isinstance(found, list) else found[step]
    assert found == {"type": "string"}


def test_what_only_looks_like_a_reference_is_left_as_it_is() -> None:
    """A constant is what the answer says, and an anchor is no place: it is refused by the name that it was given."""
    constant, anchor = {"const": {"$ref": "#"}}, {"$ref": "#there"}
    parameters = {"properties": {"a": constant, "b": anchor, "const": {"$ref": "#"}}}
    (moved,) = call_schema(HERMES, [{"name": "look", "parameters": parameters}])["anyOf"]
    at = "#/anyOf/0/properties/arguments"
    assert moved["properties"]["arguments"]["properties"] == {"a": constant, "b": anchor, "const": {"$ref": at}}


@pytest.mark.parametrize("syntax", [HERMES, MISTRAL, LLAMA, PLAIN])
@pytest.mark.parametrize("several", [True, False])
def test_what_is_forced_can_be_read(syntax: Syntax, several: bool) -> None:
    """The grammar's own text, with a call put in its place."""
    grammar = forced_calls(syntax, 'root ::= "x"\nother ::= "root ::= "\n', several=several)
    assert grammar.startswith('call ::= "x"\nother ::= "root ::= "\n')
    before, between, after = (json.loads(f'"{part}"') for part in syntax.forced)
    call = json.dumps({"name": "look", syntax.arguments: {"at": "a {b}"}})
    assert read(syntax, [f"{before}{call}{between}{call}{after}"]) == ("", [LOOK, LOOK])
    assert bool(re.search(r"call\)\*", grammar)) == several


def read(syntax: Syntax, pieces: list[str]) -> tuple[str, list[Call]]:
    reader = ToolReader(syntax, NAMES)
    found = [*(reader.push(piece) for piece in pieces), reader.end()]
    return "".join(each.text for each in found), [call for each in found for call in each.calls]
