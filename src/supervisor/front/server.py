"""The supervisor's HTTP server on `control.metrics_listen`: its metrics, for Prometheus, and the status page."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from litestar import Litestar, Request, Response, get
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from supervisor.config import split_listen
from supervisor.errors import SupervisorError
from supervisor.front.guard import OPEN_PATHS, Guarded
from supervisor.http.limits import CONNECTIONS, ConcurrencyLimit, http1
from supervisor.patience import eventually
from supervisor.ports import check_free, naming

SETTING = "control.metrics_listen"
START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 5.0


def build_front(
    render_metrics: Callable[[], Awaitable[bytes]], hosts: Sequence[str], routes: Sequence[ControllerRouterHandler] = ()
) -> Guarded:
    """The application; `hosts` are the names it answers to, besides those of loopback."""

    @get("/metrics")
    async def metrics() -> Response[bytes]:
        return Response(await render_metrics(), headers={"content-type": CONTENT_TYPE_LATEST})

    app = Litestar(
        route_handlers=[metrics, *routes],
        exception_handlers={HTTPException: _of_framework},
        openapi_config=None,
        logging_config=None,
    )
    return Guarded(app, hosts)


def _of_framework(_: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """What no route answers, in the shape that all errors have."""
    kind = {404: "not_found"}.get(error.status_code, "invalid_request" if error.status_code < 500 else "failed")
    body = {"error": {"type": kind, "message": error.detail, "code": kind}}
    return Response(body, status_code=error.status_code, headers={**(error.headers or {}), "cache-control": "no-store"})


class FrontServer:
    """Serves `app` at `listen`, ADDRESS:PORT."""

    def __init__(self, app: Guarded, listen: str) -> None:
        self._app = app
        self._host, self._port = split_listen(listen)
        self._server: Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises PortTaken, or SupervisorError when it cannot; it may be tried again then."""
        with naming(SETTING):
            check_free(self._host, self._port)
        self._server = self._make()
        self._task = asyncio.get_running_loop().create_task(self._server.serve())
        await eventually(self._decided, START_TIMEOUT_S)
        if self._task.done() or not await self._listens():
            reason = self._task.exception() if self._task.done() else "it does not answer"
            raise SupervisorError(f"{SETTING} {self._host}:{self._port} cannot be served: {reason}", code="front")

    async def stop(self) -> None:
        """Finish the answers under way."""
        if self._task is None or self._server is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call]  # Granian leaves it untyped
        await asyncio.wait({self._task}, timeout=STOP_TIMEOUT_S)

    def _make(self) -> Server:
        return Server(
            ConcurrencyLimit(self._app, reserved_paths=OPEN_PATHS),
            address=self._host,
            port=self._port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1,
            websockets=False,
            log_enabled=False,
            http1_settings=http1(),
            backlog=CONNECTIONS,
            backpressure=CONNECTIONS,
        )

    async def _decided(self) -> bool:
        return self._task is None or self._task.done() or await self._listens()

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            return False
        writer.close()
        return True
