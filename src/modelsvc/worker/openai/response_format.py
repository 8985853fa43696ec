"""The form an answer must have. Pure."""

from typing import Any

import msgspec

from modelsvc.engine.errors import PromptRefused
from modelsvc.engine.grammar import object_grammar, schema_grammar
from modelsvc.worker.errors import HttpError


class JsonSchema(msgspec.Struct, frozen=True):
    """An answer keeps to it with `strict` and without."""

    name: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class AsText(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    pass


class AsJson(msgspec.Struct, frozen=True, tag_field="type", tag="json_object"):
    """`schema`: as llama.cpp's own server takes it."""

    schema: dict[str, Any] | None = None


class AsSchema(msgspec.Struct, frozen=True, tag_field="type", tag="json_schema"):
    json_schema: JsonSchema


ResponseFormat = AsText | AsJson | AsSchema


def format_grammar(form: ResponseFormat | None, *, with_tools: bool) -> str | None:
    """Raises HttpError for a schema that cannot be kept to, and where the model may also call tools."""
    if isinstance(form, AsText | None):
        return None
    if with_tools:
        told = "response_format: a model that may call tools cannot be held to it: ask for one of them"
        raise HttpError(400, "invalid_field", told, param="response_format")
    try:
        if isinstance(form, AsJson):
            return object_grammar() if form.schema is None else schema_grammar(form.schema)
        return schema_grammar(form.json_schema.schema or {})
    except PromptRefused as error:
        raise HttpError(400, "schema_refused", f"response_format: {error}", param="response_format") from error
