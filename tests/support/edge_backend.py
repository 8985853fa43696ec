"""A small real HTTP server that stands in for a worker: it echoes, dawdles and streams, and says its colour."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from supervisor.core.state import Color


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    def number(self, name: str) -> float:
        return float(dict(parse_qsl(urlsplit(self.target).query)).get(name, 0))


@dataclass
class Backend:
    color: Color
    refuses: int
    log: list[Request]


@asynccontextmanager
async def edge_backend(
    color: Color, port: int = 0, *, refuses: int = 0, log: list[Request] | None = None
) -> AsyncIterator[int]:
    """Serves `/echo`, `/slow?seconds=`, `/status?status=` and `/stream?events=&gap=`; hangs up at `/die`.

    Yields its port. It says 503 to the first `refuses` requests, and writes down in `log` what it is asked.
    """
    backend = Backend(color, refuses, [] if log is None else log)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await _serve(reader, writer, backend)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, backlog=512)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, backend: Backend) -> None:
    while True:
        request = await _read(reader)
        backend.log.append(request)
        path = urlsplit(request.target).path
        if path == "/die":
            return
        if backend.refuses:
            backend.refuses -= 1
            _echo(request, writer, backend.color, 503)
        elif path == "/stream":
            await _stream(request, writer, backend.color)
        else:
            await asyncio.sleep(request.number("seconds"))
            _echo(request, writer, backend.color, int(request.number("status")) or 200)
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)


def _echo(request: Request, writer: asyncio.StreamWriter, color: Color, status: int) -> None:
    seen = "".join(f"X-Seen-{name}: {value}\r\n" for name, value in request.headers.items())
    writer.write(
        f"HTTP/1.1 {status} X\r\nContent-Length: {len(request.body)}\r\nX-Modelsvc-Color: {color}\r\n"
        f"X-Seen-Method: {request.method}\r\nX-Seen-Target: {request.target}\r\n{seen}\r\n".encode()
        + request.body
    )


async def _stream(request: Request, writer: asyncio.StreamWriter, color: Color) -> None:
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
        + f"X-Modelsvc-Color: {color}\r\n\r\n".encode()
    )
    for number in range(int(request.number("events"))):
        event = f"data: {number}\n\n".encode()
        writer.write(b"%x\r\n%b\r\n" % (len(event), event))
        await writer.drain()
        await asyncio.sleep(request.number("gap"))
    writer.write(b"0\r\n\r\n")
