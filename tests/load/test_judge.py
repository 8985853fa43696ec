"""What load tests take for a right answer, and what they do not."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from loadtest import judge
from loadtest.judge import Failed, Reply

HEAD = {"x-modelsvc-color": "blue", "x-modelsvc-release": "7", "content-type": "application/json"}
TOLD = {
    "response": "Hello there",
    "color": "blue",
    "release": 7,
    "finish_reason": "stop",
    "usage": {"completion_tokens": 2},
}
SAID = [("user", "Hi"), ("assistant", "Hello there")]


def plain(status: int = 200, headers: dict[str, str] | None = None, **changed: Any) -> Reply:
    return Reply(status, HEAD | (headers or {}), json.dumps(TOLD | changed).encode())


def stream(*events: tuple[str, Any], kind: str = "text/event-stream; charset=utf-8") -> Reply:
    body = "".join(f"event: {name}\r\ndata: {json.dumps(data)}\r\n\r\n" for name, data in events)
    return Reply(200, HEAD | {"content-type": kind}, body.encode())


HELLO, THERE, DONE = ("token", {"text": "Hello"}), ("token", {"text": " there"}), ("done", TOLD)


def messages(*said: tuple[str, str]) -> Reply:
    told = [{"role": role, "content": content, "created_at": "now"} for role, content in said]
    return Reply(200, HEAD, json.dumps({"user_id": "ada", "messages": told}).encode())


def test_right_answers_pass() -> None:
    """Who answered, what, and how many tokens it was."""
    for answer in (judge.plain(plain()), judge.stream(stream(HELLO, THERE, DONE))):
        assert (answer.color, answer.text, answer.tokens) == ("blue", "Hello there", 2)
    judge.health(Reply(200, HEAD, b"{}"))
    judge.deep_health(Reply(200, HEAD, b'{"color": "blue", "release": 7}'))
    assert judge.history(messages(*SAID), SAID) == 2
    assert judge.forgotten(Reply(200, HEAD, b'{"deleted": 2}'), 2) == 2


WRONG: list[tuple[Callable[[Reply], object], Reply, str]] = [
    (judge.plain, plain(500), "HTTP 500"),
    (judge.plain, plain(headers={"x-modelsvc-color": ""}), "name no worker"),
    (judge.plain, plain(headers={"x-modelsvc-color": "red"}), "name no worker"),
    (judge.plain, plain(headers={"x-modelsvc-release": ""}), "name no worker"),
    (judge.plain, plain(headers={"x-modelsvc-color": "green"}), "the headers tell"),
    (judge.plain, plain(headers={"x-modelsvc-release": "6"}), "the headers tell"),
    (judge.plain, plain(response=""), "empty or not finished"),
    (judge.plain, plain(finish_reason="error"), "empty or not finished"),
    (judge.plain, Reply(200, HEAD, b'{"response": "Hello"}'), "has no 'color'"),
    (judge.plain, Reply(200, HEAD, b"Hello"), "no JSON"),
    (judge.plain, Reply(200, HEAD, b"[]"), "no JSON object"),
    (judge.stream, stream(HELLO, THERE), "ended with token"),
    (judge.stream, stream(HELLO, ("error", {"error": {}})), "ended with error"),
    (judge.stream, stream(HELLO, DONE), "the tokens are not those"),
    (judge.stream, stream(HELLO, DONE, THERE), "ended with token"),
    (judge.stream, stream(DONE, kind="application/json"), "no stream"),
    (judge.stream, stream(), "no events"),
    (judge.health, Reply(503, HEAD, b"{}"), "HTTP 503"),
    (judge.health, Reply(200, {}, b"{}"), "name no worker"),
    (judge.deep_health, Reply(200, HEAD, b'{"color": "green", "release": 7}'), "the report"),
    (lambda reply: judge.history(reply, SAID), messages(), "0 are told; those are the same"),
    (lambda reply: judge.history(reply, SAID), messages(*SAID, *SAID), "4 are told; those are the same"),
    (lambda reply: judge.history(reply, SAID), messages(*reversed(SAID)), "number 1 should be"),
    (lambda reply: judge.history(reply, SAID), Reply(200, HEAD, b"{}"), "no conversation"),
    (lambda reply: judge.forgotten(reply, 2), Reply(200, HEAD, b'{"deleted": 1}'), "1 were deleted"),
]


@pytest.mark.parametrize(("judged", "reply", "reason"), WRONG, ids=[f"{n} {case[2]}" for n, case in enumerate(WRONG)])
def test_a_wrong_answer_fails_with_its_reason(judged: Callable[[Reply], object], reply: Reply, reason: str) -> None:
    """Without this, that nothing failed would mean nothing."""
    with pytest.raises(Failed, match=reason):
        judged(reply)
