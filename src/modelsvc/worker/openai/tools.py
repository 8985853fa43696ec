"""The tools of a chat: which of them the model may call, or must, and what that makes of the request. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from modelsvc.engine.errors import PromptRefused
from modelsvc.engine.grammar import schema_grammar
from modelsvc.engine.tool_reader import ToolReader
from modelsvc.engine.tool_syntax import PLAIN, Syntax, call_schema, forced_calls
from modelsvc.worker.errors import HttpError

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$")]
_NO_PARAMETERS = {"type": "object", "properties": {}, "additionalProperties": False}


class Function(msgspec.Struct, frozen=True):
    """`parameters`: the JSON schema of its arguments."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None

    def shown(self) -> dict[str, Any]:
        """To the model."""
        parameters = self.parameters or _NO_PARAMETERS  # an empty schema would allow what is no object
        return {"name": self.name, "description": self.description or "", "parameters": parameters}


class Tool(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    function: Function


class ChosenFunction(msgspec.Struct, frozen=True):
    name: str


class NamedChoice(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    function: ChosenFunction


ToolChoice = Literal["none", "auto", "required"] | NamedChoice
Shown = tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Toolbox:
    """`shown`: to the model. `syntax`: how its answer is read; None: as text. `several`: calls in one answer."""

    shown: Shown = ()
    syntax: Syntax | None = None
    grammar: str | None = None
    several: bool = True

    def reader(self) -> ToolReader | None:
        names = frozenset(tool["function"]["name"] for tool in self.shown)
        return ToolReader(self.syntax, names) if self.syntax else None


def toolbox(
    tools: Sequence[Tool] | None, choice: ToolChoice | None, several: bool | None, syntax: Syntax | None
) -> Toolbox:
    """`syntax`: the model's, if it is known. Raises HttpError."""
    functions = [tool.function.shown() for tool in tools or ()]
    told = tuple({"type": "function", "function": function} for function in functions)
    match choice:
        case "none":
            return Toolbox()
        case "auto" | None:
            return Toolbox(told, _known(syntax), None, several is not False) if told else Toolbox()
        case "required":
            return _forced(told, functions, syntax or PLAIN, several is not False)
        case NamedChoice(function=chosen):
            named = [function for function in functions if function["name"] == chosen.name]
            return _forced(told, named, syntax or PLAIN, False)


def _known(syntax: Syntax | None) -> Syntax:
    if syntax is None:
        told = "this model's chat template shows no way to call tools that is known here"
        raise HttpError(400, "tools_not_supported", f"{told}: leave tools out, or ask another model", param="tools")
    return syntax


def _forced(told: Shown, allowed: Sequence[Mapping[str, Any]], syntax: Syntax, several: bool) -> Toolbox:
    if not allowed:
        names = ", ".join(tool["function"]["name"] for tool in told) or "none"
        raise HttpError(400, "invalid_field", f"tool_choice: it names no tool of tools ({names})", param="tool_choice")
    try:
        grammar = forced_calls(syntax, schema_grammar(call_schema(syntax, allowed)), several=several)
    except PromptRefused as error:
        raise HttpError(400, "schema_refused", f"tools: {error}", param="tools") from error
    return Toolbox(told, syntax, grammar, several)
