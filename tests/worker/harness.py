"""A worker as its supervisor would run it: a real process, a release file, a notification socket."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import tomli_w

DEADLINE_S = 30.0
# The babbling model never comes to an end by itself when asked this.
BABBLE = {"message": "Hello", "temperature": 0, "max_tokens": 3000}


def until(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """Poll until `condition()` is true and return it."""
    end = time.monotonic() + deadline_s
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"after {deadline_s} s still not: {what}")
        time.sleep(0.01)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def release_record(model: Path, **settings: Any) -> dict[str, Any]:
    found = model.stat()
    return {
        "number": 7,
        "created_at": "2026-01-01T00:00:00Z",
        "package_version": "0.0.1",  # recorded by an older one than runs
        "model": {
            "path": str(model),
            "sha256": "ab" * 32,
            "size_bytes": found.st_size,
            "mtime_ns": found.st_mtime_ns,
            "inode": found.st_ino,
        },
        "settings": {
            "context_tokens": 4096,
            "slots": 2,
            "threads": 1,
            "gpu_layers": 0,
            "kv_cache": "f16",
            "queue_limit": 8,
            "allowed_hosts": ["localhost", "model.test"],
        }
        | settings,
    }


def write_release(folder: Path, record: dict[str, Any]) -> Path:
    path = folder / "0007.toml"
    path.write_text(tomli_w.dumps(record))
    return path


@dataclass
class Worker:
    process: "subprocess.Popen[bytes]"
    port: int
    errors: Path
    notifications: socket.socket
    received: list[dict[str, str]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

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


def arguments(release: Path, port: int, folder: Path, color: str = "blue", **more: Path) -> list[str]:
    given = {"release": release, "color": color, "port": port, "chat-db": folder / "chat.db", "worker-id": "w-1"}
    given |= {name.replace("_", "-"): value for name, value in more.items()}
    return [sys.executable, "-m", "modelsvc.worker", *(part for k, v in given.items() for part in (f"--{k}", str(v)))]


@contextmanager
def running(
    folder: Path, release: Path, port: int | None = None, color: str = "blue", **more: Path
) -> Iterator[Worker]:
    """`more` are further options."""
    port = port or free_port()
    errors = folder / f"{color}.log"
    with listening(folder / f"{color}.sock") as channel, errors.open("wb") as log:
        environment = os.environ | {"NOTIFY_SOCKET": str(channel.getsockname())}
        process = subprocess.Popen(arguments(release, port, folder, color, **more), stderr=log, env=environment)
        try:
            yield Worker(process, port, errors, channel)
        finally:
            process.kill()
            process.wait()


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(path))
        channel.setblocking(False)
        yield channel


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
