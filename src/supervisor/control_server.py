"""The control API's server: Granian inside our own loop, on a Unix socket only the owner can open."""

import asyncio
import os
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from supervisor.errors import AlreadyRunning, ConfigError, SupervisorError
from supervisor.paths import check_socket_path
from supervisor.patience import eventually

OWNER_ONLY = 0o600
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0


class ControlServer:
    """Serves `app` at `path`, in place of a socket that a dead supervisor left there."""

    def __init__(self, app: Any, path: Path) -> None:
        self._path = check_socket_path(path)
        self._server = Server(
            app,
            uds=path,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            log_enabled=False,
        )
        self._server.uds_permissions = OWNER_ONLY
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises ConfigError, AlreadyRunning or SupervisorError when the socket cannot be made."""
        make_way(self._path)
        previous = os.umask(0o777 & ~OWNER_ONLY)  # Granian sets permissions only after it has bound
        try:
            self._task = asyncio.get_running_loop().create_task(self._server.serve())
            await eventually(self._decided, START_TIMEOUT_S)
        finally:
            os.umask(previous)
        if not self._path.exists():
            reason = self._task.exception() if self._task.done() else "it does not appear"
            raise SupervisorError(f"the control socket {self._path} cannot be made: {reason}", code="control_socket")

    async def _decided(self) -> bool:
        return self._path.exists() or self._task is None or self._task.done()

    async def stop(self) -> None:
        """Finish the answers under way, and take the socket away."""
        if self._task is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call]  # Granian leaves it untyped
        await asyncio.wait({self._task}, timeout=STOP_TIMEOUT_S)
        self._path.unlink(missing_ok=True)


def make_way(path: Path) -> None:
    """Remove a socket nobody listens on. Raises ConfigError for any other file, AlreadyRunning for one that answers."""
    if not path.exists():
        return
    if not path.is_socket():
        raise ConfigError(f"control.socket is {path}, which is no socket: name a path that is free")
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as asker:
        try:
            asker.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise AlreadyRunning(f"another supervisor answers on {path}: set control.socket to a path of its own")
