"""The sd_notify protocol: datagrams that tell whoever started this process how it is doing."""

import os
import socket
from collections.abc import Mapping

WORKER_KEY = "X_MODELSVC_WORKER"


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
    """Sends without ever blocking or failing: nobody may be listening, and serving matters more than telling."""

    def __init__(self, worker_id: str, environment: Mapping[str, str] | None = None) -> None:
        self._worker_id = worker_id
        self._address = address_of(os.environ if environment is None else environment)
        self._status = ""

    def status(self, text: str) -> None:
        if text != self._status:
            self._status = text
            self._send(STATUS=text)

    def ready(self) -> None:
        self._send(READY="1")
        self.status("ready")

    def stopping(self) -> None:
        self._send(STOPPING="1")
        self.status("stopping")

    def _send(self, **fields: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.setblocking(False)
                channel.sendto(datagram(self._worker_id, **fields), self._address)
        except OSError:
            return
