"""A worker that tests ask: what they send, and what it said."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from disposable import worker as disposable
from disposable.waiting import until

DEADLINE_S = 30.0
# The babbling model never comes to an end by itself when asked this.
BABBLE = {"message": "Hello", "temperature": 0, "max_tokens": 3000}


def release_record(model: Path, **settings: Any) -> dict[str, Any]:
    """Recorded by an older version than runs."""
    asked = {"allowed_hosts": ["localhost", "model.test"], "allowed_origins": ["https://page.test"], **settings}
    return disposable.release_record(model, **asked) | {"number": 7, "package_version": "0.0.1"}


@dataclass
class Worker(disposable.Worker):
    """One that is asked, and whose announcements are `received`."""

    received: list[dict[str, str]] = field(default_factory=list)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=DEADLINE_S)

    def chat(self, message: str, user: str | None = None, **fields: Any) -> httpx.Response:
        path = f"/chat/{user}" if user else "/chat"
        body = {"message": message, "temperature": 0} | fields
        return httpx.post(self.url + path, json=body, timeout=DEADLINE_S)

    def deep(self) -> dict[str, Any]:
        report: dict[str, Any] = self.get("/health/deep").json()
        return report

    def notified(self) -> list[dict[str, str]]:
        """Everything announced so far."""
        while True:
            try:
                text = self.notifications.recv(65536).decode()
            except BlockingIOError:
                return self.received
            self.received.append(dict(line.split("=", 1) for line in text.splitlines()))

    def announced(self, key: str) -> list[str]:
        return [fields[key] for fields in self.notified() if key in fields]

    def wait_ready(self) -> "Worker":
        until(lambda: self.announced("READY") or self.process.poll() is not None, "READY announced")
        assert self.process.poll() is None, self.errors.read_text()
        return self

    def wait_exit(self) -> int:
        return self.process.wait(DEADLINE_S)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.errors.read_text().splitlines()]


@contextmanager
def running(folder: Path, release: Path, **options: Any) -> Iterator[Worker]:
    with disposable.running_worker(Worker, folder, release, **options) as worker:
        yield worker


def post_and_keep(port: int, body: dict[str, Any], path: str = "/chat") -> socket.socket:
    """Send a chat request and leave the answer unread; closing the socket is a client going away."""
    client = socket.create_connection(("127.0.0.1", port))
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n\r\n"
    client.sendall(head.encode() + data)
    return client


def sse(response: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in response.iter_lines():
        key, _, value = line.partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


def error_of(response: httpx.Response) -> dict[str, str]:
    error: dict[str, str] = response.json()["error"]
    assert set(error) == {"type", "message", "code", "param"}
    return error
