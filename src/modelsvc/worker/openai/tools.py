"""The tools of a chat, and which of them the model may call, or must. Pure."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Schema = dict[str, Any]
Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_.-]{1,64}$")]


class Function(msgspec.Struct, frozen=True, omit_defaults=True):
    """`parameters`: the JSON schema of its arguments."""

    name: Name
    description: str | None = None
    parameters: Schema | None = None


class Tool(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    function: Function


class ChosenFunction(msgspec.Struct, frozen=True):
    name: str


class NamedChoice(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    function: ChosenFunction


ToolChoice = Literal["none", "auto", "required"] | NamedChoice
