"""The control API's own description. Litestar makes it from the handlers; what they do not say is added here.

That is: errors have our shape, and what a stream consists of. No page is served, for it would load scripts from
elsewhere.
"""

from typing import Any, get_args

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from supervisor.feed.sse import EVENT_STREAM
from supervisor.protocol import ErrorReply, StreamEvent
from supervisor.protocol.happenings import Happening

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
    events, happenings = get_args(StreamEvent), get_args(Happening)
    kinds = [ErrorReply, *events, *happenings]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    streams = {
        STREAM: {
            "schema": {"description": "one event a line, the last is `finished`"},
            "x-line-schema": _one_of(events),
        },
        EVENT_STREAM: {
            "schema": {"type": "string", "description": "server-sent events, without end; `data` is one JSON object"},
            "x-data-schema": _one_of(happenings),
        },
    }
    paths = {
        path: {method: _operation(its, streams) for method, its in methods.items()}
        for path, methods in document["paths"].items()
    }
    components = {**document["components"], "schemas": {**schemas, **_inclusive(document["components"]["schemas"])}}
    return {**document, "paths": paths, "components": components}


def _inclusive(node: Any) -> Any:
    """Litestar says `oneOf` for every union, although a whole number is both an integer and a number."""
    if isinstance(node, dict):
        return {"anyOf" if key == "oneOf" else key: _inclusive(value) for key, value in node.items()}
    return [_inclusive(each) for each in node] if isinstance(node, list) else node


def _one_of(kinds: tuple[type, ...]) -> dict[str, Any]:
    return {"oneOf": [_ref(kind.__name__) for kind in kinds]}


def _operation(operation: dict[str, Any], streams: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": _ref(ErrorReply.__name__)}}
    answers = operation["responses"] | {
        status: {"description": why, "content": error} for status, why in _ERRORS.items()
    }
    for kind in answers["200"].get("content", {}).keys() & streams.keys():
        answers["200"] = {"description": "what becomes of it, as it happens", "content": {kind: streams[kind]}}
        if kind == EVENT_STREAM:
            answers["429"] = {"description": "too many follow already", "content": error}
    return {**operation, "responses": dict(sorted(answers.items()))}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
