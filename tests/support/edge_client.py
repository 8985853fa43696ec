"""A strict keep-alive HTTP client: it never retries, and never looks whether its connection still stands.

A connection is used again exactly when the answer before did not say `Connection: close`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class StrictClient:
    port: int
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    @property
    def connection(self) -> object:
        """The one in use, None when there is none."""
        return self._streams and self._streams[1]

    async def request(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """Raises OSError, EOFError or ValueError when there is no whole answer."""
        status, answered = await self.send(method, target, body, headers)
        parts = [] if status == 204 else [part async for part in self.parts(answered)]
        await self._finish(answered)
        return Answer(status, answered, b"".join(parts))

    async def send(
        self, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str]]:
        """Send the request and read the head of the answer."""
        reader, writer = self._streams or await self._open()
        fields = {"Host": "localhost", "Content-Length": str(len(body))} | (headers or {})
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await writer.drain()
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        pairs = (line.partition(":") for line in lines)
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def parts(self, answered: dict[str, str]) -> AsyncIterator[bytes]:
        """The body, as it arrives."""
        assert self._streams is not None
        reader = self._streams[0]
        if "content-length" in answered:
            yield await reader.readexactly(int(answered["content-length"]))
            return
        while size := int(await reader.readuntil(b"\r\n"), 16):
            yield (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)

    async def close(self) -> None:
        if self._streams is not None:
            writer = self._streams[1]
            self._streams = None
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection("127.0.0.1", self.port)
        return self._streams

    async def _finish(self, answered: dict[str, str]) -> None:
        if answered.get("connection", "").lower() == "close":
            await self.close()
