"""HTTP servers that answer by a script: the daemon on its Unix socket, the edge on a TCP port."""

import socketserver
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec

from supervisor.protocol import encode


@dataclass(frozen=True)
class Answer:
    """What one request gets. `hold`: after the body, leave the connection open until the server stops."""

    parts: Sequence[bytes]
    status: int = 200
    content_type: str = "application/json"
    chunked: bool = False
    cut: bool = False  # hang up in the middle
    hold: bool = False
    hang_up: bool = False  # without an answer


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    body: Any


@dataclass
class Script:
    """The answers by `METHOD /path?query`, and what was asked so far."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def reply(self, request: str, message: object, status: int = 200) -> None:
        self.answers[request] = Answer([encode(message)], status)

    def refuse(self, request: str, kind: str, message: str, status: int) -> None:
        self.reply(request, {"error": {"type": kind, "message": message, "code": "scripted"}}, status)

    def stream(self, request: str, events: Sequence[object], **how: bool) -> None:
        lines = [encode(event) + b"\n" for event in events]
        self.answers[request] = Answer(lines, content_type="application/x-ndjson", **how)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "ScriptedServer"

    def answer(self) -> None:
        self.close_connection = True
        self.server.script.asked.append(Asked(self.command, self.path, self.content()))
        answer = self.server.script.answers.get(f"{self.command} {self.path}", Answer([b"no such page"], 404))
        if answer.hang_up:
            return
        with suppress(ConnectionError):  # the other side may have seen enough
            self.send(answer)

    def content(self) -> Any:
        size = int(self.headers.get("Content-Length", 0))
        return msgspec.json.decode(self.rfile.read(size)) if size else None

    def send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header(
            "Transfer-Encoding" if answer.chunked else "Connection", "chunked" if answer.chunked else "close"
        )
        self.end_headers()
        for part in answer.parts:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if answer.chunked else part)
            self.wfile.flush()
        if answer.hold:
            self.server.script.stopping.wait()
        elif answer.chunked and not answer.cut:
            self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: object) -> None:
        pass

    do_GET = do_POST = do_DELETE = answer


class ScriptedServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    script: Script


class ScriptedUnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    script: Script


@contextmanager
def serving(address: Path | None = None) -> Iterator[tuple[Script, str]]:
    """A running server with an empty script, and where it listens: on the Unix socket `address`, or on a free port."""
    server: ScriptedServer | ScriptedUnixServer
    server = ScriptedUnixServer(str(address), Handler) if address else ScriptedServer(("127.0.0.1", 0), Handler)
    server.script = Script()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server.script, str(address) if address else "{}:{}".format(*server.socket.getsockname())
    finally:
        server.script.stopping.set()
        server.shutdown()
        thread.join()
        server.server_close()
