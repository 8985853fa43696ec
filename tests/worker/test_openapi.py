"""The worker's OpenAPI document says all there is, and what it says is so."""

from typing import Any
from unittest.mock import MagicMock

import httpx
import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler
from tests.support.conformance import operations, statuses
from tests.worker.harness import DEADLINE_S, Worker

from modelsvc.worker import app, replies
from modelsvc.worker.openai import replies as v1
from modelsvc.worker.openapi import OPERATIONS, document

EXAMPLES = 20  # of each kind for each operation
# No random name is the model's, and the demo model has no vectors.
NEVER = {"/v1/models/{model}", "/v1/embeddings"}
NAMES = [(path, method) for path, methods in OPERATIONS.items() for method in methods]


def test_it_is_served_as_it_is_made(shared: Worker) -> None:
    """And nothing in it points elsewhere for a page to load."""
    answer = shared.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == document()
    assert "http://" not in answer.text and "https://" not in answer.text


def test_it_has_every_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new route without a description fails here."""
    made: list[HTTPRouteHandler] = []
    monkeypatch.setattr(app, "Litestar", lambda handlers, **_: made.extend(handlers))
    app.build_app(MagicMock())
    found = {(path, method.lower()) for its in made for path in its.paths for method in its.http_methods}
    assert {(path.replace(":str", ""), method) for path, method in found} == set(NAMES)


@pytest.mark.parametrize(("path", "method"), NAMES)
def test_what_is_answered_is_what_it_says(shared: Worker, path: str, method: str) -> None:
    """Whatever is sent: no 5xx, and status, media type and body as documented."""
    (operation,) = [found for found in operations(document()) if (found.path, found.method) == (path, method)]
    with httpx.Client(base_url=shared.url, timeout=DEADLINE_S, trust_env=False) as client:
        seen = statuses(operation, client, EXAMPLES)
    assert seen[200] > 0 or path in NEVER, seen
    assert method != "post" or path == "/foreground" or seen[400] > 0, seen  # which has no body to be wrong


def test_every_answer_is_of_its_type(shared: Worker) -> None:
    """Strictly: no key is missing and none is unknown."""

    def post(path: str, **body: Any) -> httpx.Response:
        return httpx.post(shared.url + path, json=body, timeout=DEADLINE_S)

    shared.chat("Hello", user="typed")
    pairs: list[tuple[Any, httpx.Response]] = [
        (replies.Answer, shared.chat("Hello")),
        (replies.Conversation, shared.get("/chat/typed")),
        (replies.Health, shared.get("/health/deep")),
        (replies.ErrorReply, shared.get("/nothing")),
        (v1.ChatCompletion, post("/v1/chat/completions", messages=[{"role": "user", "content": "Hi"}], logprobs=True)),
        (v1.TextCompletion, post("/v1/completions", prompt="Hi", logprobs=1)),
        (v1.ModelList, shared.get("/v1/models")),
        (replies.Ready, shared.get("/ready")),
        (replies.Fit, shared.get("/health")),
        (replies.Fit, shared.get("/v1/health")),
    ]
    for kind, answer in pairs:
        msgspec.json.decode(answer.content, type=kind)
