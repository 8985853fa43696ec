"""`python spoiling_server.py PORT LOG`: answers like a worker, but some requests wrongly, each in another way.

What was spoiled is in LOG, a line each: the control case of load tests, whose every failure must be noticed.
"""

import itertools
import json
import sys
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

EVERY = 7
KEY = "the-key"  # whoever asks without it gets an error that is not in LOG
TEXT = ("Hel", "lo ", "there")
WAYS = ("500", "no_color", "cut", "hang_up")


class Spoiler(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, log: Path) -> None:
        super().__init__(("127.0.0.1", port), Answer)
        self._log, self._lock = log, threading.Lock()
        self._numbers, self._ways = itertools.count(1), itertools.cycle(WAYS)
        self.said: defaultdict[str, list[dict[str, str]]] = defaultdict(list)

    def way(self) -> str:
        """How the next answer is to be spoiled; empty for not at all."""
        with self._lock:
            if next(self._numbers) % EVERY:
                return ""
            way = next(self._ways)
            with self._log.open("a") as log:
                log.write(f"{way}\n")
            return way


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Spoiler

    def do_GET(self) -> None:
        if self.path.startswith("/chat/"):
            self._tell({"user_id": "u", "messages": self.server.said[self.path]})
        else:
            self._tell({"status": "alive", "color": "blue", "release": 1})

    def do_DELETE(self) -> None:
        self._tell({"deleted": len(self.server.said.pop(self.path, []))})

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.said[self.path] += [
            {"role": "user", "content": asked["message"]},
            {"role": "assistant", "content": "".join(TEXT)},
        ]
        told = {"response": "".join(TEXT), "color": "blue", "release": 1, "finish_reason": "stop"}
        told |= {"usage": {"completion_tokens": len(TEXT)}}
        if not asked["stream"]:
            self._tell(told)
            return
        events = [("token", {"text": text}) for text in TEXT]
        body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in [*events, ("done", told)])
        self._send(body.encode(), "text/event-stream")

    def _tell(self, told: dict[str, Any]) -> None:
        self._send(json.dumps(told).encode(), "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        way = self.server.way() if self.headers["Authorization"] == f"Bearer {KEY}" else "500"
        if way == "hang_up":
            self.close_connection = True
            return
        self.send_response(500 if way == "500" else 200)
        if way != "no_color":
            self.send_header("X-Modelsvc-Color", "blue")
        self.send_header("X-Modelsvc-Release", "1")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if way == "cut" else body)
        self.close_connection = self.close_connection or way == "cut"

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


if __name__ == "__main__":
    Spoiler(int(sys.argv[1]), Path(sys.argv[2])).serve_forever()
