"""A worker without a model: it speaks a worker's command line, sd_notify and HTTP, and misbehaves as it is told.

How it behaves is in the JSON file that FAKE_WORKER_BEHAVIOUR names: an object of `Behaviour` fields for each colour or
release number, read anew whenever it matters. What is not told there is good behaviour.
"""

import argparse
import asyncio
import json
import mmap
import os
import signal
import socket
import sys
import time
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEHAVIOUR_ENV = "FAKE_WORKER_BEHAVIOUR"
TOKEN_S = 0.05
FOREVER_S = 3600.0
WORDS = ("I ", "am ", "no ", "model.")
TIMINGS = {"first_token_seconds": 0.01, "tokens_per_second": 20.0}
NO_SUCH = 404, {"error": {"type": "not_found", "message": "no such path", "code": "no_such_route"}}


@dataclass(frozen=True)
class Behaviour:
    ready_after_s: float = 0.0
    never_ready: bool = False
    lies: bool = False  # announces readiness, but /ready says no
    dies_before_ready: bool = False
    dies_after_s: float = 0.0  # of being ready
    exit_code: int = 3
    ignores_term: bool = False
    hangs: bool = False  # accepts, and never answers
    refuses_chat: bool = False
    chat_s: float = 0.0  # how long an answer takes
    stops_decoding: bool = False  # takes requests, and does not get on with them
    says: str = ""  # instead of its usual words
    talks_on: bool = False  # streams do not come to an end
    claims_release: int = 0  # in the headers, instead of its own
    not_ready_any_more: bool = False
    grows_mb: int = 0
    repacks: bool = False  # holds copies of the weights


@dataclass
class Worker:
    color: str
    release: int
    worker_id: str
    weights: mmap.mmap
    in_flight: int = 0
    total: int = 0
    failed: int = 0
    stuck_since: float = 0.0
    recent: list[tuple[float, float]] = field(default_factory=list)  # when they came, and how long they took
    ready: bool = False
    grown: bytes = b""

    @property
    def behaviour(self) -> Behaviour:
        name = os.environ.get(BEHAVIOUR_ENV)
        told: dict[str, dict[str, Any]] = json.loads(Path(name).read_text()) if name and Path(name).exists() else {}
        return Behaviour(**{**told.get(self.color, {}), **told.get(str(self.release), {})})

    def notify(self, text: str) -> None:
        address = os.environ.get("NOTIFY_SOCKET")
        if address:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, suppress(OSError):
                channel.sendto(f"{text}\nX_MODELSVC_WORKER={self.worker_id}".encode(), address)

    async def become_ready(self) -> None:
        """Load, as it were; and perhaps die."""
        self.notify("STATUS=loading 50 %")
        await asyncio.sleep(self.behaviour.ready_after_s)
        while self.behaviour.never_ready:
            await asyncio.sleep(TOKEN_S)
        behaviour = self.behaviour
        if behaviour.dies_before_ready:
            self.notify("STATUS=failed: the weights are made of straw")
            os._exit(behaviour.exit_code)
        self.ready = True
        self.notify("READY=1\nSTATUS=ready")
        if behaviour.dies_after_s:
            await asyncio.sleep(behaviour.dies_after_s)
            os._exit(behaviour.exit_code)

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                lengths = [line for line in head.split("\r\n") if line.startswith("content-length:")]
                body = await reader.readexactly(int(lengths[0].partition(":")[2]) if lengths else 0)
                method, path, _ = head.split(" ", 2)
                await self._answer(method, path, body, writer)
        writer.close()

    async def _answer(self, method: str, path: str, body: bytes, writer: asyncio.StreamWriter) -> None:
        if self.behaviour.hangs:
            await asyncio.sleep(FOREVER_S)
        if method == "post" and path.startswith("/chat"):
            self.in_flight += 1
            self.total += 1
            came_at = time.monotonic()
            try:
                await self._get_on()
                await self._chat(json.loads(body), writer)
            finally:
                self.in_flight -= 1
                self.recent.append((came_at, time.monotonic() - came_at))
        else:
            self._send(writer, *self._told(path))
            await writer.drain()

    async def _get_on(self) -> None:
        """As soon as it decodes."""
        while self.behaviour.stops_decoding:
            self.stuck_since = self.stuck_since or time.monotonic()
            await asyncio.sleep(TOKEN_S)
        self.stuck_since = 0.0

    def _told(self, path: str) -> tuple[int, dict[str, Any]]:
        match path:
            case "/healthz":
                return 200, {"status": "alive"}
            case "/ready":
                return self._readiness()
            case "/health/deep":
                return 200, self._health()
            case _:
                return NO_SUCH

    def _readiness(self) -> tuple[int, dict[str, Any]]:
        behaviour = self.behaviour
        if self.ready and not behaviour.lies and not behaviour.not_ready_any_more:
            return 200, {"status": "ready"}
        return 503, {"error": {"type": "unavailable", "message": "the weights are made of straw", "code": "loading"}}

    def _health(self) -> dict[str, Any]:
        if len(self.grown) != self.behaviour.grows_mb * 2**20:
            self.grown = os.urandom(2**20) * self.behaviour.grows_mb
        now = time.monotonic()
        requests = {"in_flight": self.in_flight, "total": self.total, "failed": self.failed}
        engine = {"last_decode_age_s": now - self.stuck_since if self.stuck_since else None, "prefilling": False}
        latency = {"recent": [[now - came_at, took_s, None] for came_at, took_s in self.recent[-50:]]}
        identity = {"color": self.color, "worker_id": self.worker_id, "release": self.release}
        repacks = self.behaviour.repacks
        copied = len(self.weights) if repacks else 0
        model = {"sha256": "straw", "mapped_bytes": len(self.weights), "copied_bytes": copied, "repacked": repacks}
        return {**identity, "requests": requests, "engine": engine, "latency": latency, "model": model}

    async def _chat(self, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        behaviour = self.behaviour
        if behaviour.refuses_chat:
            self.failed += 1
            error = {"type": "failed", "message": "no answer comes to mind", "code": "engine_failed"}
            self._send(writer, 500, {"error": error})
        elif asked.get("stream"):
            await self._stream(writer)
        else:
            await asyncio.sleep(behaviour.chat_s)
            self._send(writer, 200, self._done(self._words))
        await writer.drain()

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self._head(200, "text/event-stream", "Transfer-Encoding: chunked"))
        said: list[str] = []
        words = self._words
        while len(said) < len(words) or self.behaviour.talks_on:
            said.append(words[len(said) % len(words)])
            self._event(writer, "token", {"text": said[-1]})
            await writer.drain()
            await asyncio.sleep(max(self.behaviour.chat_s / len(words), TOKEN_S * self.behaviour.talks_on))
        self._event(writer, "done", self._done(said))
        writer.write(b"0\r\n\r\n")

    @property
    def _words(self) -> Sequence[str]:
        return (self.behaviour.says,) if self.behaviour.says else WORDS

    def _done(self, said: Sequence[str]) -> dict[str, Any]:
        usage = {"prompt_tokens": 1, "completion_tokens": len(said), "total_tokens": len(said) + 1}
        done = {"response": "".join(said), "color": self.color, "release": self.release}
        return done | {"usage": usage, "finish_reason": "stop", "timings": TIMINGS}

    def _event(self, writer: asyncio.StreamWriter, name: str, data: dict[str, Any]) -> None:
        event = f"event: {name}\r\ndata: {json.dumps(data)}\r\n\r\n".encode()
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))

    def _send(self, writer: asyncio.StreamWriter, status: int, told: dict[str, Any]) -> None:
        body = json.dumps(told).encode()
        writer.write(self._head(status, "application/json", f"Content-Length: {len(body)}") + body)

    def _head(self, status: int, content_type: str, framing: str) -> bytes:
        release = self.behaviour.claims_release or self.release
        return (
            f"HTTP/1.1 {status} Fake\r\nContent-Type: {content_type}\r\n{framing}\r\n"
            f"X-Modelsvc-Color: {self.color}\r\nX-Modelsvc-Release: {release}\r\n\r\n"
        ).encode()


async def live(worker: Worker, host: str, port: int) -> None:
    """Serve until TERM, then finish what runs."""
    term = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, term.set)
    loop.add_signal_handler(signal.SIGINT, term.set)
    server = await asyncio.start_server(worker.connected, host, port)
    loading = loop.create_task(worker.become_ready())
    await term.wait()
    while worker.behaviour.ignores_term:
        await asyncio.sleep(FOREVER_S)
    server.close()
    loading.cancel()
    while worker.in_flight:
        await asyncio.sleep(TOKEN_S)


def mapped(release: Path) -> mmap.mmap:
    """The release's model file, shared and with every page touched, as a worker that uses its weights has it."""
    with Path(tomllib.loads(release.read_text())["model"]["path"]).open("rb") as file:
        weights = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    for page in range(0, len(weights), mmap.PAGESIZE):
        weights[page]
    return weights


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--release", "--color", "--chat-db", "--worker-id"):
        parser.add_argument(name, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    for name in ("--api-keys", "--probe-key"):  # it lets everyone in
        parser.add_argument(name)
    parser.add_argument("--background", action="store_true")
    options = parser.parse_args()
    release = Path(options.release)
    worker = Worker(options.color, int(release.stem), options.worker_id, mapped(release))
    sys.stderr.write(f"{time.strftime('%T')} fake {worker}\n")
    asyncio.run(live(worker, options.host, options.port))


if __name__ == "__main__":
    main()
