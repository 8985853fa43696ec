"""An ASGI application on a Unix socket that only the owner can open: Granian inside our own loop."""

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


class UnixServer:
    """Serves `app` at `path`, in place of a socket that a dead supervisor left there.

    `name` says in errors which socket it is, `remedy` what to do about its path. It takes up to `concurrency` requests
    at once.
    """

    def __init__(self, app: Any, path: Path, name: str, remedy: str, concurrency: int = 128) -> None:
        self._path = check_socket_path(path)
        self._name, self._remedy = name, remedy
        self._server = Server(
            app,
            uds=path,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            log_enabled=False,
            backlog=max(concurrency, 128),
            backpressure=concurrency,
        )
        self._server.uds_permissions = OWNER_ONLY
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises ConfigError, AlreadyRunning or SupervisorError when the socket cannot be made."""
        self._make_way()
        previous = os.umask(0o777 & ~OWNER_ONLY)  # Granian sets permissions only after it has bound
        try:
            self._task = asyncio.get_running_loop().create_task(self._server.serve())
            await eventually(self._decided, START_TIMEOUT_S)
        finally:
            os.umask(previous)
        if not self._path.exists():
            reason = self._task.exception() if self._task.done() else "it does not appear"
            raise SupervisorError(
                f"the {self._name} socket {self._path} cannot be made: {reason}", code=f"{self._name}_socket"
            )

    async def stop(self) -> None:
        """Finish the answers under way, and take the socket away."""
        if self._task is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call]  # Granian leaves it untyped
        await asyncio.wait({self._task}, timeout=STOP_TIMEOUT_S)
        self._path.unlink(missing_ok=True)

    async def _decided(self) -> bool:
        return self._path.exists() or self._task is None or self._task.done()

    def _make_way(self) -> None:
        """Remove a socket nobody listens on. Raises ConfigError for any other file, AlreadyRunning for an answer."""
        path = self._path
        if not path.exists():
            return
        if not path.is_socket():
            raise ConfigError(f"the {self._name} socket would be {path}, which is no socket: {self._remedy}")
        with closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as asker:
            try:
                asker.connect(str(path))
            except OSError:
                path.unlink(missing_ok=True)
                return
        raise AlreadyRunning(f"another supervisor answers on {path}: {self._remedy}")
