"""A web server that has one file, and gives it as a test says: honestly, broken off, stalled, under false pretences."""

import gzip
import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STALL_S = 30.0  # at the most; the server's end lets go before
PIECE_BYTES = 20_000


@dataclass(frozen=True)
class Asked:
    """A request as it came; header names in small letters."""

    method: str
    path: str
    headers: dict[str, str]


Step = Callable[["Exchange"], None]


@dataclass
class FileServer:
    """`script` has an answer for each request to come; after the last one, `usual` answers."""

    content: bytes
    address: str = ""
    etag: str = '"one"'
    last_modified: str = ""
    usual: Step = lambda exchange: exchange.honest()
    script: deque[Step] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def url(self, name: str = "model.gguf") -> str:
        return f"{self.address}/{name}"

    def validators(self) -> dict[str, str]:
        named = {"ETag": self.etag, "Last-Modified": self.last_modified}
        return {name: value for name, value in named.items() if value}


@dataclass
class Exchange:
    """One request, and the ways to answer it."""

    server: FileServer
    asked: Asked
    handler: BaseHTTPRequestHandler

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.handler.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.handler.send_header(name, value)
        self.handler.end_headers()

    def body(self, content: bytes) -> None:
        if self.asked.method != "HEAD":
            self.handler.wfile.write(content)

    def answer(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.head(status, {"Content-Length": str(len(content)), **headers})
        self.body(content)

    def honest(self) -> None:
        """As a good server does."""
        self.give(self.wanted())

    def wanted(self) -> int:
        """Where the client wants to go on, if the file is still the one it knows."""
        known = self.asked.headers.get("if-range")
        text = self.asked.headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-")
        return int(text) if known in (None, self.server.etag, self.server.last_modified) else 0

    def unchanged(self) -> bool:
        return self.asked.headers.get("if-none-match") == self.server.etag

    def give(self, start: int, cut: int | None = None, told: int | None = None) -> None:
        """From `start` on; only until `cut`; saying that the whole has `told` bytes."""
        content, size = self.server.content, len(self.server.content) if told is None else told
        if self.unchanged():
            self.head(304, self.server.validators())
        elif start and start >= size:
            self.answer(416, {"Content-Range": f"bytes */{size}", **self.server.validators()})
        elif start:
            headers = {"Content-Range": f"bytes {start}-{size - 1}/{size}", "Content-Length": str(size - start)}
            self.head(206, {**headers, **self.server.validators()})
            self.body(content[start:cut])
        else:
            self.head(200, {"Content-Length": str(size), "Accept-Ranges": "bytes", **self.server.validators()})
            self.body(content[:cut])


# --- answers a test may script ----------------------------------------------------------------------------------------


def honest(exchange: Exchange) -> None:
    exchange.honest()


def breaking_after(size: int) -> Step:
    """The connection ends when the file's first `size` bytes are out."""
    return lambda exchange: exchange.give(exchange.wanted(), cut=size)


def stalling_after(size: int) -> Step:
    """Nothing comes after the file's first `size` bytes, and the connection stays."""

    def step(exchange: Exchange) -> None:
        exchange.give(exchange.wanted(), cut=size)
        exchange.handler.wfile.flush()
        exchange.server.ended.wait(STALL_S)

    return step


def dripping(exchange: Exchange) -> None:
    """Piece after piece, slowly, and never the last one."""
    exchange.give(exchange.wanted(), cut=exchange.wanted() + PIECE_BYTES)
    for start in range(exchange.wanted() + PIECE_BYTES, len(exchange.server.content) - PIECE_BYTES, PIECE_BYTES):
        exchange.body(exchange.server.content[start : start + PIECE_BYTES])
        if exchange.server.ended.wait(0.05):
            return
    exchange.server.ended.wait(STALL_S)


def telling(size: int) -> Step:
    """The length is a lie."""
    return lambda exchange: exchange.give(exchange.wanted(), cut=size, told=size)


def without_length(cut: int | None = None) -> Step:
    """The end of the connection is the end of the file."""

    def step(exchange: Exchange) -> None:
        exchange.head(200, exchange.server.validators())
        exchange.body(exchange.server.content[:cut])

    return step


def ignoring_range(cut: int | None = None) -> Step:
    return lambda exchange: exchange.give(0, cut=cut)


def ignoring_if_range(cut: int | None = None) -> Step:
    """The rest is sent, whatever file it is of."""

    def step(exchange: Exchange) -> None:
        exchange.asked.headers.pop("if-range", None)
        exchange.give(exchange.wanted(), cut=cut)

    return step


def pieces_of(size: int) -> Step:
    """A range that ends early, as some servers send it to whoever asks for much."""

    def step(exchange: Exchange) -> None:
        start, whole = exchange.wanted(), len(exchange.server.content)
        piece = exchange.server.content[start : start + size]
        told = {"Content-Range": f"bytes {start}-{start + len(piece) - 1}/{whole}", **exchange.server.validators()}
        exchange.answer(206, told, piece)

    return step


def compressed(exchange: Exchange) -> None:
    exchange.answer(200, {"Content-Encoding": "gzip"}, gzip.compress(exchange.server.content))


def redirecting(to: str, status: int = 302) -> Step:
    return lambda exchange: exchange.answer(status, {"Location": to})


def status(code: int, **headers: str) -> Step:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.answer(code, named, b"no file here")


def page(exchange: Exchange) -> None:
    """What a login or a file's description is."""
    exchange.answer(200, {"Content-Type": "text/html; charset=utf-8"}, b"<!doctype html><title>Log in</title>" * 99)


# --- the server -------------------------------------------------------------------------------------------------------


@contextmanager
def serving_file(content: bytes, certificate: Path | None = None, **facts: Any) -> Iterator[FileServer]:
    """It runs until the end of the context, with all that it holds open; with a certificate (and its key), by https."""
    server = FileServer(content, **facts)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
            server.asked.append(asked)
            step = server.script.popleft() if server.script else server.usual
            self.close_connection = True
            with suppress(ConnectionError):  # the client went away, as some are made to
                step(Exchange(server, asked, self))

        do_GET = do_HEAD = _answer

        def log_message(self, *_: Any) -> None:
            """Nothing on stderr."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = False
    server.address = f"http{'s' if certificate else ''}://127.0.0.1:{listening.server_address[1]}"
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.ended.set()
        listening.shutdown()
        listening.server_close()
        thread.join()
