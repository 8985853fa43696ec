"""GET /openapi.json: what the worker understands and answers. Tests hold it to the routes and to real answers.

It is put together here, from the types that requests are read with, since those decode the body themselves.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from modelsvc import __version__
from modelsvc.worker.openai.chat_request import ChatRequest
from modelsvc.worker.openai.embeddings import EmbeddingsRequest
from modelsvc.worker.openai.replies import (
    ChatChunk,
    ChatCompletion,
    EmbeddingList,
    ModelCard,
    ModelList,
    TextCompletion,
)
from modelsvc.worker.openai.text_request import TextRequest
from modelsvc.worker.replies import Alive, Answer, Conversation, Deleted, ErrorReply, Fit, Foreground, Health, Ready
from modelsvc.worker.schema import REQUEST_ID, USER_ID, Ask
from modelsvc.worker.tokens import Content, Detokenize, Piece, Tokenize, Tokens

DOCUMENT_PATH = "/openapi.json"
_TYPES: tuple[type, ...] = (
    *(Alive, Answer, Ask, Conversation, Deleted, ErrorReply, Fit, Foreground, Health, Ready),
    *(ChatChunk, ChatCompletion, ChatRequest, ModelCard, ModelList, TextCompletion, TextRequest),
    *(EmbeddingList, EmbeddingsRequest, Content, Detokenize, Piece, Tokenize, Tokens),
)
_ERRORS = {
    400: "the message tells what to change",
    401: "a key is needed, and this is none; see `modelsvc keys`",
    403: "`Host` is not in `security.allowed_hosts`, or `Origin` not in `security.allowed_origins`",
    404: "there is nothing at this path",
    405: "this path does not know that method",
    408: "the body came too slowly",
    413: "the body has more than 1 MiB",
    429: "the queue is full, or it waited as long as it may take: try again after `Retry-After` seconds",
    431: "too many headers, or too long ones",
    500: "the worker failed: see its log",
    503: "not now: try again after `Retry-After` seconds",
    507: "the answer, in `response`, could not be written down: the disk is full",
}
_NAMES = re.compile(r"\{(\w+)\}")
_IN_PATH = {"user_id": {"type": "string", "pattern": f"^{USER_ID}$"}, "model": {"type": "string"}}
_ALWAYS = (400, 401, 403, 405, 431, 500)
_OF_BODIES = (408, 413, 429, 503)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at one path. `reply` is a type of `_TYPES`, or the media type of something else than JSON."""

    summary: str
    reply: type | str
    errors: tuple[int, ...] = ()
    body: type | None = None
    streams: str = ""  # what the events are, if it can be a stream
    remembers: bool = False
    open: bool = False  # needs no key


_EVENTS = "events: token {text}; then done, with an Answer, or error, with an ErrorReply"
_CHUNKS = "data only: a ChatChunk each, then [DONE]; or an ErrorReply, if it breaks off"
_TEXTS = "data only: a TextCompletion each, then [DONE]; or an ErrorReply, if it breaks off"
OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "/chat": {"post": Operation("Ask", Answer, _OF_BODIES, Ask, _EVENTS, remembers=True)},
    "/chat/{user_id}": {
        "post": Operation("Ask within a conversation", Answer, (404, *_OF_BODIES, 507), Ask, _EVENTS, remembers=True),
        "get": Operation("Read a conversation", Conversation, (404,)),
        "delete": Operation("Forget a conversation", Deleted, (404, 503)),
    },
    "/v1/chat/completions": {
        "post": Operation("Continue a chat, as OpenAI's API does", ChatCompletion, _OF_BODIES, ChatRequest, _CHUNKS)
    },
    "/v1/completions": {
        "post": Operation("Continue texts, as OpenAI's API does", TextCompletion, _OF_BODIES, TextRequest, _TEXTS)
    },
    "/v1/embeddings": {
        "post": Operation("Vectors of texts, if the model has any", EmbeddingList, _OF_BODIES, EmbeddingsRequest)
    },
    "/v1/models": {"get": Operation("The model that is served", ModelList)},
    "/v1/models/{model}": {"get": Operation("The model of that name", ModelCard, (404,))},
    "/tokenize": {"post": Operation("The tokens of a text, as llama-server tells them", Tokens, _OF_BODIES, Tokenize)},
    "/detokenize": {"post": Operation("The text of tokens", Content, _OF_BODIES, Detokenize)},
    "/healthz": {"get": Operation("Does the process live?", Alive, open=True)},
    "/ready": {"get": Operation("Should it be given requests?", Ready, (503,), open=True)},
    "/health": {"get": Operation("The same, as llama-server tells it", Fit, (503,), open=True)},
    "/v1/health": {"get": Operation("The same again", Fit, (503,), open=True)},
    "/health/deep": {"get": Operation("Everything about this worker", Health)},
    "/foreground": {"post": Operation("Stop leaving the processors to another worker (the supervisor's)", Foreground)},
    "/metrics": {"get": Operation("Prometheus metrics", "text/plain")},
    DOCUMENT_PATH: {"get": Operation("This document", "application/json")},
}


def document_route() -> HTTPRouteHandler:
    content = msgspec.json.encode(document())

    @get(DOCUMENT_PATH, media_type="application/json", sync_to_thread=False)
    def read() -> bytes:
        return content

    return read


def document() -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(_TYPES, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "modelsvc", "version": __version__, "description": "One local language model."},
        "paths": {path: _path(path, methods) for path, methods in OPERATIONS.items()},
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "if keys are demanded"}},
        },
    }


def _path(path: str, methods: Mapping[str, Operation]) -> dict[str, Any]:
    described: dict[str, Any] = {method: _operation(path, method, its) for method, its in methods.items()}
    if names := _NAMES.findall(path):
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": _IN_PATH[name]} for name in names
        ]
    return described


def _operation(path: str, method: str, operation: Operation) -> dict[str, Any]:
    errors = {str(status): _answer(_ERRORS[status], _json(ErrorReply)) for status in (*_ALWAYS, *operation.errors)}
    described: dict[str, Any] = {
        "operationId": f"{method}_{path.strip('/').replace('/', '_').replace('{', '').replace('}', '')}",
        "summary": operation.summary,
        "responses": {"200": _answer("Done", _content(operation)), **dict(sorted(errors.items()))},
        "security": [] if operation.open else [{"key": []}, {}],
    }
    if operation.body:
        described["requestBody"] = {"required": True, "content": _json(operation.body)}
    if operation.remembers:
        schema = {"type": "string", "pattern": f"^{REQUEST_ID}$"}
        replayed = "Set by the edge: a turn of the same request is not remembered twice."
        name = "X-Modelsvc-Request"
        described["parameters"] = [{"name": name, "in": "header", "description": replayed, "schema": schema}]
    return described


def _content(operation: Operation) -> dict[str, Any]:
    if isinstance(operation.reply, str):
        return {operation.reply: {"schema": {"type": "string" if operation.reply == "text/plain" else "object"}}}
    stream = {"text/event-stream": {"schema": {"description": operation.streams}}}
    return {**_json(operation.reply), **(stream if operation.streams else {})}


def _json(type_: type) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{type_.__name__}"}}}


def _answer(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": content}
