"""Limits of a request at the worker's own port, where no nginx is in front: size, number of headers, and time."""

import asyncio
import http.client
import json
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from disposable import worker as disposable
from disposable.waiting import until
from tests.worker.harness import DEADLINE_S, Worker, error_of, release_record, running

from modelsvc.worker.errors import HttpError
from modelsvc.worker.incoming import Incoming


def sent(worker: Worker, head: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and content of the answer to what is sent as it stands."""
    with closing(socket.create_connection(("127.0.0.1", worker.port), timeout=DEADLINE_S)) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read()


def head(line: str, *headers: str) -> str:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: localhost", "Connection: close", *headers])


@pytest.mark.parametrize("count", [79, 98])
def test_too_many_headers(shared: Worker, count: int) -> None:
    """Up to what the HTTP library refuses by itself, the answer is ours."""
    status, content = sent(shared, head("GET /healthz", *(f"X-{n}: 1" for n in range(count))))
    assert (status, json.loads(content)["error"]["code"]) == (431, "headers_too_large")


def test_more_headers_than_the_library_reads(shared: Worker) -> None:
    """Its answer is bare; the worker goes on."""
    assert sent(shared, head("GET /healthz", *(f"X-{n}: 1" for n in range(200))))[0] in (400, 431)
    assert shared.get("/healthz").status_code == 200


@pytest.mark.parametrize("size", [33_000, 300_000])
def test_headers_that_are_too_long(shared: Worker, size: int) -> None:
    """One, or all together."""
    status, content = sent(shared, head("GET /healthz", f"X-Long: {'x' * size}"))
    assert (status, json.loads(content)["error"]["code"]) == (431, "headers_too_large")


def test_what_is_just_allowed(shared: Worker) -> None:
    """The limits are where they are said to be."""
    assert sent(shared, head("GET /healthz", *(f"X-{n}: 1" for n in range(78))))[0] == 200
    assert sent(shared, head("GET /healthz", f"X-Long: {'x' * 32_000}"))[0] == 200


def test_a_body_of_unknown_length_is_limited_too(shared: Worker) -> None:
    """Chunked, it says nowhere how long it will be."""
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    status, content = sent(shared, head("POST /chat", "Transfer-Encoding: chunked"), chunk * 17 + b"0\r\n\r\n")
    assert (status, json.loads(content)["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("garbage", ["", "GET", "GET / HTTP/9.9", "\x00\x01\x02"])
def test_what_is_no_http_ends_the_connection(shared: Worker, garbage: str) -> None:
    """And nothing else."""
    with closing(socket.create_connection(("127.0.0.1", shared.port), timeout=DEADLINE_S)) as connection:
        connection.sendall(garbage.encode() + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass
    assert shared.get("/healthz").status_code == 200


# --- time -------------------------------------------------------------------------------------------------------------


def message(body: bytes, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


GONE: dict[str, Any] = {"type": "http.disconnect"}


class Dripping:
    """Sends `parts`, and then nothing more."""

    def __init__(self, *parts: dict[str, Any]) -> None:
        self._parts = list(parts)

    async def __call__(self) -> dict[str, Any]:
        if not self._parts:
            await asyncio.Event().wait()
        return self._parts.pop(0)


async def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    """However many parts of it came before."""
    incoming = Incoming(Dripping(message(b"{", True), message(b" ", True)), timeout_s=0.05)
    assert (await incoming())["body"] == b"{"
    assert (await incoming())["body"] == b" "
    with pytest.raises(HttpError) as caught:
        await asyncio.wait_for(incoming(), 10)
    assert (caught.value.status, caught.value.code) == (408, "body_too_slow")


async def test_a_body_that_breaks_off_is_its_clients_doing() -> None:
    """Said once: whoever looks for the client's end afterwards finds it."""
    incoming = Incoming(Dripping(message(b"a", True), GONE, GONE))
    assert (await incoming())["body"] == b"a"
    with pytest.raises(HttpError) as told:
        await incoming()
    assert (told.value.status, told.value.code) == (499, "client_gone")
    assert await incoming() == GONE


@pytest.mark.parametrize("path", ["/chat", "/v1/chat/completions", "/v1/embeddings"])
def test_a_client_that_leaves_within_its_body_is_no_failure(worker: Worker, path: str) -> None:
    """Neither in the counts, by which a release is judged, nor in the log."""
    with closing(socket.create_connection(("127.0.0.1", worker.port), timeout=DEADLINE_S)) as connection:
        connection.sendall(head(f"POST {path}", "Content-Length: 1000").encode() + b'\r\n\r\n{"mess')
        until(lambda: worker.deep()["requests"]["in_flight"], "the request is counted")
    until(lambda: not worker.deep()["requests"]["in_flight"], "the request is over")
    assert worker.deep()["requests"] == {"in_flight": 0, "total": 1, "failed": 0}
    assert [line for line in worker.log() if line["event"] in ("request_failed", "stream_failed")] == []
    assert 'code="499"' in worker.get("/metrics").text


async def test_after_the_body_there_is_no_limit() -> None:
    """What follows is the client's going away, after however long an answer."""
    incoming = Incoming(Dripping(message(b"{}", False)), timeout_s=0.05)
    await incoming()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(incoming(), 0.2)


async def test_a_body_nobody_wants_is_read_only_so_far() -> None:
    """Neither for ever nor without end."""
    await asyncio.wait_for(Incoming(Dripping(message(b"x", True)), timeout_s=0.05).discard(), 10)
    endless = Dripping(*[message(b"x" * 2**18, True)] * 100)
    await asyncio.wait_for(Incoming(endless, timeout_s=5).discard(), 3)
    assert len(endless._parts) >= 95


IMPATIENT = """
from modelsvc.worker import incoming
incoming.BODY_TIMEOUT_S = 0.3
from modelsvc.worker.command import worker
worker()
"""


@pytest.fixture
def slow(folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """Real, but for its patience."""
    usual = disposable.arguments
    monkeypatch.setattr(disposable, "arguments", lambda *given: [sys.executable, "-c", IMPATIENT, *usual(*given)[3:]])
    with running(folder, disposable.write_release(folder, release_record(model))) as worker:
        yield worker.wait_ready()


def test_a_slow_body_at_a_real_worker_is_told(slow: Worker) -> None:
    """In JSON, and the place it took is free again."""
    with closing(socket.create_connection(("127.0.0.1", slow.port), timeout=DEADLINE_S)) as connection:
        connection.sendall(head("POST /chat", "Content-Length: 100").encode() + b"\r\n\r\n{")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, json.loads(answer.read())["error"]["code"]) == (408, "body_too_slow")
    assert slow.deep()["requests"]["in_flight"] == 0
    assert error_of(slow.get("/nothing"))["code"] == "no_such_route"
