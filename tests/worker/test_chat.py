"""Chat over HTTP with a real worker: answers, streams, memory of a conversation, and everything it refuses."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.worker.harness import DEADLINE_S, Worker, error_of, sse

import modelsvc


def test_an_answer_says_who_gave_it_and_what_it_cost(shared: Worker) -> None:
    found = shared.chat("My name is Ada.").json()
    assert found["response"] == "Nice to meet you, Ada."
    assert (found["color"], found["release"], found["finish_reason"]) == ("blue", 7, "stop")
    usage = found["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert set(found["timings"]) == {
        "queue_seconds",
        "prefill_seconds",
        "first_token_seconds",
        "decode_seconds",
        "tokens_per_second",
    }


def test_a_user_is_remembered_and_can_be_forgotten(shared: Worker) -> None:
    shared.chat("My name is Ada.", user="ada@home")
    assert shared.chat("What is my name?", user="ada@home").json()["response"] == "Your name is Ada."
    messages = shared.get("/chat/ada@home").json()["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 2
    assert set(messages[0]) == {"role", "content", "created_at"}
    assert httpx.delete(f"{shared.url}/chat/ada@home").json() == {"deleted": 4}
    assert shared.get("/chat/ada@home").json() == {"user_id": "ada@home", "messages": []}
    assert "not told me" in shared.chat("What is my name?", user="ada@home").json()["response"]


def test_a_stream_is_the_same_answer_in_pieces(shared: Worker) -> None:
    body = {"message": "My name is Bob.", "temperature": 0, "stream": True}
    with httpx.stream("POST", f"{shared.url}/chat/bob", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["x-modelsvc-color"] == "blue"
        events = list(sse(response))
    *tokens, (last, done) = events
    assert {name for name, _ in tokens} == {"token"}
    assert last == "done"
    assert "".join(data["text"] for _, data in tokens) == done["response"] == "Nice to meet you, Bob."
    assert len(tokens) > 3
    assert done["usage"]["completion_tokens"] >= len(tokens)
    assert len(shared.get("/chat/bob").json()["messages"]) == 2


def test_simultaneous_turns_of_one_user_do_not_interleave(shared: Worker) -> None:
    """Each question is followed by its answer."""
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda number: shared.chat(f"Count to {number}.", user="crowd", max_tokens=10), range(2, 8)))
    messages = shared.get("/chat/crowd").json()["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 6


def test_unicode_survives_the_way(shared: Worker) -> None:
    text = "My name is Ada \u2014 \U0001f980 \u00e9\u4e16."
    assert shared.chat(text, user="uni").status_code == 200
    assert shared.get("/chat/uni").json()["messages"][0]["content"] == text


def test_a_long_conversation_drops_its_oldest_turns(shared: Worker) -> None:
    """It goes on, instead of ending in an error."""
    found = [shared.chat("Hello " * 300, user="long", max_tokens=5).json() for _ in range(3)]
    tokens = [answer["usage"]["prompt_tokens"] for answer in found]
    assert tokens[0] < tokens[1] < 4096
    assert tokens[2] < tokens[1] + tokens[0]
    assert len(shared.get("/chat/long").json()["messages"]) == 6


BAD_BODIES: list[tuple[Any, str]] = [
    ({}, "message"),
    ([], "must be an object"),
    ("x", "must be an object"),
    ({"message": 3}, "message: must be a string"),
    ({"message": None}, "message: must be a string"),
    ({"message": ""}, "message is empty"),
    ({"message": " \n\t"}, "message is empty"),
    ({"message": "x" * 100_001}, "message: must be a string of length <= 100000"),
    ({"message": "x", "max_tokens": 0}, "max_tokens: must be a whole number >= 1"),
    ({"message": "x", "max_tokens": "9"}, "max_tokens: must be a whole number"),
    ({"message": "x", "max_tokens": 1.5}, "max_tokens: must be a whole number"),
    ({"message": "x", "max_tokens": True}, "max_tokens: must be a whole number"),
    ({"message": "x", "temperature": -0.1}, "temperature: must be a number >= 0"),
    ({"message": "x", "temperature": 2.1}, "temperature: must be a number <= 2"),
    ({"message": "x", "temperature": "hot"}, "temperature: must be a number"),
    ({"message": "x", "stream": "yes"}, "stream: must be true, false or null"),
    ({"message": "x", "mesage": "y"}, "unknown field `mesage`"),
]


def test_null_is_the_same_as_nothing(shared: Worker) -> None:
    nothing = {"temperature": None, "max_tokens": None, "stream": None}
    assert shared.chat("My name is Ada.", **nothing).status_code == 200


@pytest.mark.parametrize(("body", "told"), BAD_BODIES, ids=[json.dumps(body)[:40] for body, _ in BAD_BODIES])
def test_wrong_fields_are_named(shared: Worker, body: Any, told: str) -> None:
    """With what is allowed instead."""
    response = httpx.post(f"{shared.url}/chat/eve", json=body)
    assert response.status_code == 400
    error = error_of(response)
    assert told in error["message"]
    assert "allowed: message (text)" in error["message"]
    assert error["type"] == "invalid_request"
    assert shared.get("/chat/eve").json()["messages"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"hello", b"{'message': 'x'}", b"\xff\xfe", b'{"message": "\\ud800"}'])
def test_what_is_not_json_is_refused(shared: Worker, body: bytes) -> None:
    response = httpx.post(f"{shared.url}/chat", content=body)
    assert response.status_code == 400
    assert error_of(response)["code"] == "invalid_json"


@pytest.mark.parametrize("user", ["a b", "a%2Fb", "\u00e9", "x" * 65, "a;b", "a$"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_wrong_user_ids_are_refused(shared: Worker, user: str, method: str) -> None:
    response = httpx.request(method, f"{shared.url}/chat/{user}", json={"message": "x"} if method == "POST" else None)
    assert response.status_code in (400, 404)
    error_of(response)


def test_a_prompt_that_does_not_fit_is_refused_with_the_counts(shared: Worker) -> None:
    response = shared.chat("word " * 5000)
    assert response.status_code == 400
    error = error_of(response)
    assert error["code"] == "prompt_too_long"
    assert "but this model's maximum context length is 4096" in error["message"]


def test_a_body_over_the_limit_is_refused(shared: Worker) -> None:
    """Also when its length was not announced."""
    too_much = b" " * (2**20 + 1)
    for content in (too_much, iter([too_much[:1000]] * 1100)):
        response = httpx.post(f"{shared.url}/chat", content=content)
        assert response.status_code == 413
        assert error_of(response)["code"] == "body_too_large"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/nope", 404),
        ("GET", "/chat", 405),
        ("PUT", "/chat/ada", 405),
        ("POST", "/ready", 405),
    ],
)
def test_unknown_paths_and_methods_are_errors_of_the_same_shape(
    shared: Worker, method: str, path: str, status: int
) -> None:
    response = httpx.request(method, shared.url + path)
    assert response.status_code == status
    error_of(response)


@pytest.mark.parametrize(
    "path", ["/healthz", "/ready", "/health", "/health/deep", "/metrics", "/chat/ada", "/nope", "/chat"]
)
def test_every_answer_says_who_gave_it(shared: Worker, path: str) -> None:
    response = shared.get(path)
    assert response.headers["x-modelsvc-color"] == "blue"
    assert response.headers["x-modelsvc-release"] == "7"
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_refusals_say_who_gave_them(shared: Worker) -> None:
    """Bad input, too large a body, a foreign host."""
    for response in (
        httpx.post(f"{shared.url}/chat", content=b"{"),
        httpx.post(f"{shared.url}/chat", content=b" " * (2**20 + 1)),
        httpx.get(f"{shared.url}/healthz", headers={"Host": "evil.test"}),
    ):
        assert response.status_code in (400, 403, 413)
        assert response.headers["x-modelsvc-color"] == "blue"


def test_foreign_hosts_and_origins_are_refused(shared: Worker) -> None:
    """Against DNS rebinding and cross-site posts."""
    for headers in ({"Host": "evil.test"}, {"Origin": "https://evil.test"}):
        response = httpx.post(f"{shared.url}/chat", json={"message": "x"}, headers=headers)
        assert response.status_code == 403
        error_of(response)
    for passing in ({"Host": "model.test:8080"}, {"Origin": "https://page.test"}):
        assert httpx.get(f"{shared.url}/healthz", headers=passing).status_code == 200


def test_deep_health_tells_everything(shared: Worker) -> None:
    found = shared.deep()
    assert (found["color"], found["worker_id"], found["release"], found["state"]) == ("blue", "w-1", 7, "ready")
    assert found["package_version"] == modelsvc.__version__  # of the process, whatever the release recorded
    assert found["pid"] == shared.process.pid
    assert found["uptime_s"] > 0
    model = found["model"]
    assert (model["architecture"], model["context_tokens"], model["sha256"]) == ("llama", 4096, "ab" * 32)
    assert model["mapped_bytes"] > 10**6
    assert (model["copied_bytes"], model["repacked"]) == (0, False)
    assert 0 < found["memory"]["private_bytes"] <= found["memory"]["rss_bytes"]
    told = {
        "alive",
        "slots",
        "cached_tokens",
        "in_flight",
        "waiting",
        "prefilling",
        "last_decode_age_s",
        "oldest_wait_s",
        "longest_left_s",
        "failed_steps",
    }
    assert told == set(found["engine"])


def test_metrics_count_what_happened(shared: Worker) -> None:
    shared.chat("My name is Ada.")
    text = shared.get("/metrics").text
    assert 'modelsvc_http_requests_total{code="200",route="/chat"}' in text
    assert f'modelsvc_worker_info{{color="blue",release="7",version="{modelsvc.__version__}"}} 1.0' in text
    for name in (
        "modelsvc_prompt_tokens_total",
        "modelsvc_completion_tokens_total",
        "modelsvc_time_to_first_token_seconds_bucket",
        "modelsvc_http_requests_in_flight",
        "modelsvc_process_private_memory_bytes",
    ):
        assert f"\n{name}" in text


def test_messages_are_not_logged(shared: Worker) -> None:
    shared.chat("My name is Zanzibar.")
    httpx.post(f"{shared.url}/chat", json={"message": "Zanzibar", "x": 1})
    assert "Zanzibar" not in shared.errors.read_text()
    shared.log()  # every line is JSON


def test_a_request_that_is_sent_again_is_remembered_once(shared: Worker) -> None:
    """The edge gives it the same id; without one, the same words are another turn."""
    body = {"message": "Hello", "temperature": 0}
    for request in ("r-1", "r-1", "r-2", None, None):
        headers = {"X-Modelsvc-Request": request} if request else {}
        answer = httpx.post(f"{shared.url}/chat/replayed", json=body, headers=headers, timeout=DEADLINE_S)
        assert answer.status_code == 200
    assert len(shared.get("/chat/replayed").json()["messages"]) == 2 * 4
