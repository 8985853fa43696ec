"""The control API's own description. Litestar makes it from the handlers; what they do not say is added here.

That is: errors have our shape, and a stream has one event a line. No page is served, for it would load scripts from
elsewhere.
"""

from typing import Any, get_args

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from supervisor.protocol import ErrorReply, StreamEvent

STREAM = "application/x-ndjson"
_ERRORS = {
    "400": "the message tells what cannot be meant",
    "404": "there is no such thing",
    "405": "this path does not know that method",
    "409": "understood, but not done: nothing was changed",
    "413": "the body is too large",
    "500": "it failed, or a defect of modelsvc: see logs/supervisor.log",
    "504": "it did not happen in time",
}


class Document(JsonRenderPlugin):
    """Serves the document, completed."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, completed(openapi_schema))


def completed(document: dict[str, Any]) -> dict[str, Any]:
    events = get_args(StreamEvent)
    _, schemas = msgspec.json.schema_components([ErrorReply, *events], ref_template="#/components/schemas/{name}")
    lines = {"oneOf": [_ref(event.__name__) for event in events]}
    paths = {
        path: {method: _operation(its, lines) for method, its in methods.items()}
        for path, methods in document["paths"].items()
    }
    components = {**document["components"], "schemas": {**schemas, **_inclusive(document["components"]["schemas"])}}
    return {**document, "paths": paths, "components": components}


def _inclusive(node: Any) -> Any:
    """Litestar says `oneOf` for every union, although a whole number is both an integer and a number."""
    if isinstance(node, dict):
        return {"anyOf" if key == "oneOf" else key: _inclusive(value) for key, value in node.items()}
    return [_inclusive(each) for each in node] if isinstance(node, list) else node


def _operation(operation: dict[str, Any], lines: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": _ref(ErrorReply.__name__)}}
    answers = operation["responses"] | {
        status: {"description": why, "content": error} for status, why in _ERRORS.items()
    }
    if STREAM in answers["200"].get("content", {}):
        content = {"schema": {"description": "one event a line, the last is `finished`"}, "x-line-schema": lines}
        answers["200"] = {"description": "what becomes of it, line by line", "content": {STREAM: content}}
    return {**operation, "responses": dict(sorted(answers.items()))}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
