"""The sd_notify protocol: datagrams that tell whoever started this process how it is doing."""

import os
import socket
from collections.abc import Mapping

WORKER_KEY = "X_MODELSVC_WORKER"
PATIENCE_S = 5.0


def address_of(environment: Mapping[str, str]) -> str | None:
    """NOTIFY_SOCKET as an address: `@name` is in Linux's abstract namespace; anything else must be a path."""
    value = environment.get("NOTIFY_SOCKET", "")
    if value.startswith("@"):
        return "\0" + value[1:]
    return value if value.startswith("/") else None


def datagram(worker_id: str, **fields: str) -> bytes:
    lines = [f"{key}={_one_line(value)}" for key, value in {**fields, WORKER_KEY: worker_id}.items()]
    return "\n".join(lines).encode()


def _one_line(value: str) -> str:
    return " ".join(value.split())


class Notifier:
    """Never fails: nobody may be listening, and serving matters more than telling.

    A receiver's queue holds few datagrams (10 on Linux). Progress is dropped when it is full; what must not be lost
    waits for room, for `PATIENCE_S` at most: announce it off the event loop.
    """

    def __init__(self, worker_id: str, environment: Mapping[str, str] | None = None) -> None:
        self._worker_id = worker_id
        self._address = address_of(os.environ if environment is None else environment)
        self._progress = ""

    def progress(self, status: str) -> None:
        if status != self._progress:
            self._progress = status
            self._send(0, STATUS=status)

    def ready(self) -> None:
        self._send(PATIENCE_S, READY="1", STATUS="ready")

    def stopping(self) -> None:
        self._send(PATIENCE_S, STOPPING="1", STATUS="stopping")

    def failed(self, reason: str) -> None:
        self._send(PATIENCE_S, STATUS=f"failed: {reason}")

    def _send(self, patience_s: float, **fields: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.settimeout(patience_s)
                channel.sendto(datagram(self._worker_id, **fields), self._address)
        except OSError:
            return
