"""What workers announce: the sd_notify protocol on a datagram socket.

A worker names itself by `X_MODELSVC_WORKER=` in each message, because macOS does not tell a datagram's sender.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

from supervisor.core.events import Event, WorkerProgressed, WorkerReady
from supervisor.http.private_socket import bind_private
from supervisor.paths import check_socket_path

WORKER_KEY = "X_MODELSVC_WORKER"


def parse(datagram: bytes) -> list[Event]:
    """A message as events; lines nobody asked for are passed over, as the protocol demands."""
    fields = dict(line.split("=", 1) for line in datagram.decode(errors="replace").splitlines() if "=" in line)
    worker_id = fields.get(WORKER_KEY)
    if not worker_id:
        return []
    events: list[Event] = []
    if "STATUS" in fields:
        events.append(WorkerProgressed(worker_id, fields["STATUS"]))
    if fields.get("READY") == "1":
        events.append(WorkerReady(worker_id))
    return events


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, post: Callable[[Event], None]) -> None:
        self._post = post

    def datagram_received(self, data: bytes, addr: object) -> None:
        for event in parse(data):
            self._post(event)


class Inbox:
    """Receives announcements at `path`, made anew with the rights 0600, from `open` to `close`."""

    def __init__(self, path: Path, post: Callable[[Event], None]) -> None:
        self._path, self._post = check_socket_path(path), post
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Open it, or anew. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
        inbox, loop = bind_private(socket.SOCK_DGRAM, self._path), asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Receiver(self._post), sock=inbox)
        self.close()
        self._transport = transport

    def is_in_place(self) -> bool:
        return self._path.exists()

    def close(self) -> None:
        if self._transport:
            self._transport.close()
