"""An ASGI application on a Unix socket that only the owner can open: Granian inside our own loop."""

import asyncio
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from supervisor.errors import AlreadyRunning, ConfigError, SupervisorError
from supervisor.http.limits import CONNECTIONS, REQUESTS, ConcurrencyLimit, http1
from supervisor.http.private_socket import bind_private
from supervisor.paths import check_socket_path

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0
BACKLOG = CONNECTIONS

_holder: Any = SocketHolder  # whose constructor Granian's type stubs do not know


class _Server(Server):
    """On a socket that listens already: Granian would open it to all for a moment. `took_up`: it has it."""

    def __init__(self, app: Any, listener: socket.socket, path: Path, concurrency: int) -> None:
        self._listener, self._backlog = listener, BACKLOG
        self.took_up = asyncio.Event()
        super().__init__(
            ConcurrencyLimit(app, concurrency),
            uds=path,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            log_enabled=False,
            http1_settings=http1(),
            backlog=self._backlog,
            backpressure=concurrency + CONNECTIONS,
        )

    def _init_shared_socket(self) -> None:
        """Granian's hook for making its socket."""
        self._ssp = None
        self._sfd: Any = self._listener.detach()  # closed by the holder
        self._shd: Any = _holder(self._sfd, True, self._backlog)
        self.took_up.set()

    def give_up(self) -> None:
        """Close the socket that was not taken up."""
        self._listener.close()


class UnixServer:
    """Serves `app` at `path`, in place of a socket that a dead supervisor left there.

    `name` says in errors which socket it is, `remedy` what to do about its path. It takes up to `concurrency` requests
    at once.
    """

    def __init__(self, app: Any, path: Path, name: str, remedy: str, concurrency: int = REQUESTS) -> None:
        self._app, self._concurrency = app, concurrency
        self._path = check_socket_path(path)
        self._name, self._remedy = name, remedy
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._cut_off: list[tuple[_Server, asyncio.Task[None]]] = []  # whose socket was removed

    async def start(self) -> None:
        """Listen. Raises ConfigError, AlreadyRunning or SupervisorError when the socket cannot be made."""
        self._make_way()
        self._server = _Server(self._app, self._listen(), self._path, self._concurrency)
        self._task = asyncio.get_running_loop().create_task(self._server.serve())
        took_up = asyncio.ensure_future(self._server.took_up.wait())
        await asyncio.wait({self._task, took_up}, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        if took_up.cancel():
            self._server.give_up()
            self._path.unlink(missing_ok=True)
            raise self._failed(self._task.exception() if self._task.done() else "it is not taken up")

    def is_in_place(self) -> bool:
        return self._path.exists()

    async def recreate(self) -> None:
        """Listen once more, where the socket was removed; who is connected stays so. Raises as `start`."""
        server, task = self._server, self._task
        try:
            await self.start()
        except BaseException:
            self._server, self._task = server, task
            raise
        if server and task:
            self._cut_off.append((server, task))

    async def stop(self) -> None:
        """Finish the answers under way, and take the socket away."""
        if self._task is None or self._server is None:
            return
        running = [*self._cut_off, (self._server, self._task)]
        for server, _ in running:
            server.stop()  # type: ignore[no-untyped-call]  # Granian leaves it untyped
        await asyncio.wait({task for _, task in running}, timeout=STOP_TIMEOUT_S)
        self._path.unlink(missing_ok=True)

    def _listen(self) -> socket.socket:
        """Nobody can connect before it listens, and then only the owner can open it."""
        try:
            listener = bind_private(socket.SOCK_STREAM, self._path)
        except OSError as error:
            raise self._failed(error) from None
        listener.listen(BACKLOG)
        return listener

    def _failed(self, reason: object) -> SupervisorError:
        return SupervisorError(
            f"the {self._name} socket {self._path} cannot be made: {reason}", code=f"{self._name}_socket"
        )

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
