"""An HTTP server in this event loop that answers what a test wants of a worker."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

BREAKS = (0, None)  # in place of an answer: the connection is closed


@dataclass
class ScriptedWorker:
    """`answers` by path: (status, body). A list of them is taken one by one, its last for ever. None: no answer."""

    port: int = 0
    answers: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def answer_to(self, path: str) -> tuple[int, Any] | None:
        script = self.answers.get(path, (404, {"error": {"message": "no such page"}}))
        if isinstance(script, list):
            script = script.pop(0) if len(script) > 1 else script[0]
        answer: tuple[int, Any] | None = script
        return answer

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split(" ", 2)[1]
        length = next((int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-length:")), 0)
        body = await reader.readexactly(length)
        self.asked.append((path, json.loads(body) if body else None))
        answer = self.answer_to(path)
        if answer is None:
            await reader.read()  # until the one who asks gives up
            return
        if answer == BREAKS:
            return
        status, content = answer
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        writer.write(
            f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {len(data)}\r\n{headers}\r\n".encode() + data
        )
        await writer.drain()


@asynccontextmanager
async def scripted_worker() -> AsyncIterator[ScriptedWorker]:
    worker = ScriptedWorker()
    server = await asyncio.start_server(worker.connected, "127.0.0.1", 0)
    worker.port = server.sockets[0].getsockname()[1]
    try:
        yield worker
    finally:
        server.close()
