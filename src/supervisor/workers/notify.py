"""What workers announce: the sd_notify protocol on a datagram socket.

A worker names itself by `X_MODELSVC_WORKER=` in each message, because macOS does not tell a datagram's sender.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

from supervisor.core.events import Event, WorkerProgressed, WorkerReady
from supervisor.paths import check_socket_path
from supervisor.private_socket import bind_private

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


async def listen(path: Path, post: Callable[[Event], None]) -> asyncio.DatagramTransport:
    """Receive announcements at `path` (made anew, 0600) until the transport is closed."""
    check_socket_path(path)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    inbox = bind_private(socket.SOCK_DGRAM, path)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: _Receiver(post), sock=inbox)
    return transport
