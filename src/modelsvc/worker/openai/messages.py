"""The messages of a chat, as clients send them, and as chat templates take them. Pure."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from modelsvc.engine.types import Message
from modelsvc.worker.errors import HttpError


class TextPart(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    text: str


Content = str | Annotated[list[TextPart], Meta(min_length=1)]


class CalledFunction(msgspec.Struct, frozen=True):
    name: str
    arguments: str | None = None


class MadeCall(msgspec.Struct, frozen=True, tag_field="type", tag="function"):
    id: str
    function: CalledFunction


class _Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="role"):
    content: Content
    name: str | None = None


class SystemMessage(_Said, frozen=True, tag="system"):
    pass


class DeveloperMessage(_Said, frozen=True, tag="developer"):
    pass


class UserMessage(_Said, frozen=True, tag="user"):
    pass


class AssistantMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="role", tag="assistant"):
    content: Content | None = None
    name: str | None = None
    tool_calls: list[MadeCall] | None = None


class ToolMessage(_Said, frozen=True, kw_only=True, tag="tool"):
    tool_call_id: str | None = None


AnyMessage = SystemMessage | DeveloperMessage | UserMessage | AssistantMessage | ToolMessage


def as_message(message: AnyMessage, index: int) -> Message:
    """`index`: which one it is, for what is told about it. Raises HttpError."""
    fields: dict[str, Any] = {} if message.name is None else {"name": message.name}
    match message:
        case SystemMessage() | DeveloperMessage():
            return Message("system", _text(message.content), fields)
        case UserMessage():
            return Message("user", _text(message.content), fields)
        case AssistantMessage(tool_calls=calls):
            if calls:
                fields["tool_calls"] = [
                    _call(call, f"messages[{index}].tool_calls[{i}]") for i, call in enumerate(calls)
                ]
            return Message("assistant", _text(message.content), fields)
        case ToolMessage(tool_call_id=its):
            return Message("tool", _text(message.content), fields if its is None else {**fields, "tool_call_id": its})


def _text(content: Content | None) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content or ())


def _call(call: MadeCall, path: str) -> Mapping[str, Any]:
    """Its arguments as a mapping, since templates write them down themselves."""
    try:
        arguments = msgspec.json.decode(call.function.arguments or "{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        where = f"{path}.function.arguments"
        told = f"{where}: {error}; it must be a JSON object, written as a string"
        raise HttpError(400, "invalid_field", told, param=where) from error
    return {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": arguments}}
