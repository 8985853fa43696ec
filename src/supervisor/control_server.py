"""The control API's server: Granian inside our own loop, on a Unix socket only the owner can open."""

import asyncio
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from supervisor.errors import SupervisorError
from supervisor.paths import check_socket_path

OWNER_ONLY = 0o600
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0


class ControlServer:
    """Serves `app` at `path`. The caller holds the lock on the state folder: what is at the path is replaced."""

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
        """Listen. Raises SupervisorError when the socket cannot be made."""
        self._path.unlink(missing_ok=True)
        self._task = asyncio.get_running_loop().create_task(self._server.serve())
        for _ in range(int(START_TIMEOUT_S / 0.01)):
            if self._path.exists():
                return
            if self._task.done():
                break
            await asyncio.sleep(0.01)
        reason = self._task.exception() if self._task.done() else "it does not appear"
        raise SupervisorError(f"the control socket {self._path} cannot be made: {reason}", code="control_socket")

    async def stop(self) -> None:
        """Finish the answers under way, and take the socket away."""
        if self._task is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call]  # Granian leaves it untyped
        await asyncio.wait({self._task}, timeout=STOP_TIMEOUT_S)
        self._path.unlink(missing_ok=True)
