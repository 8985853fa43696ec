"""Granian inside our own loop, on a socket that is ours alone."""

import socket
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from modelsvc.worker.envelope import Envelope
from modelsvc.worker.errors import PortTaken

BACKLOG = 1024
# Longer than nginx keeps an idle connection to us (`keepalive_timeout 15s` in supervisor/nginx/nginx.conf.j2): the
# side that sends requests must be the one to close.
IDLE_MS = 120_000
# At level "error" the note that the embedded server is experimental stays out; it is known, and tested for what we use.
_LOGGING = {
    "handlers": {"console": {"()": "modelsvc.worker.logs.Forward"}, "access": {"()": "modelsvc.worker.logs.Forward"}}
}

_holder: Any = SocketHolder


def listen(host: str, port: int) -> socket.socket:
    """Granian would bind with SO_REUSEPORT, and so share a taken port in silence.

    Connections inherit TCP_NODELAY. Without it the first token waits for the other side to acknowledge the head of the
    answer, which it puts off for 40 ms.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise PortTaken(f"cannot listen on {host} port {port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


class EmbeddedServer(Server):
    def __init__(self, app: Envelope, listener: socket.socket) -> None:
        self._listener = listener
        host, port = listener.getsockname()[:2]
        super().__init__(
            app,
            address=host,
            port=port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=IDLE_MS),
            backlog=BACKLOG,
            websockets=False,
            log_level=LogLevels.error,
            log_dictconfig=_LOGGING,
        )

    def _init_shared_socket(self) -> None:
        """Granian's hook for making its socket; its type stubs do not know the holder's constructor."""
        self._ssp = None
        self._sfd: Any = self._listener.detach()  # closed by the holder
        self._shd: Any = _holder(self._sfd, False, BACKLOG)
