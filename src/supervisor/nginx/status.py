"""nginx's own counters and configuration, asked on its private Unix socket."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 1.0

_COUNTS = re.compile(rb"Active connections: (\d+).*Reading: (\d+) Writing: (\d+) Waiting: (\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ConnectionCounts:
    """Client connections by what they do; the one that asked is left out."""

    active: int
    reading: int
    writing: int
    waiting: int


async def answers(socket: Path) -> bool:
    """Whether an nginx worker serves."""
    return (await _ask(socket)).startswith(b"HTTP/1.1 20")


async def connection_counts(socket: Path) -> ConnectionCounts | None:
    """The counts, or None when nginx does not answer or was built without stub_status."""
    found = _COUNTS.search(await _ask(socket))
    if not found:
        return None
    active, reading, writing, waiting = map(int, found.groups())
    return ConnectionCounts(active - 1, reading, writing - 1, waiting)


async def running_fingerprint(socket: Path) -> str:
    """Of the configuration in force; something that is no fingerprint when an older modelsvc wrote it."""
    return (await _ask(socket, "/fingerprint")).rpartition(b"\r\n\r\n")[2].decode(errors="replace")


async def _ask(socket: Path, path: str = "/") -> bytes:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await _exchange(socket, path)
    except OSError:  # TimeoutError is one of them
        return b""


async def _exchange(socket: Path, path: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(socket))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: status\r\nConnection: close\r\n\r\n".encode())
        return await reader.read()
    finally:
        writer.close()
