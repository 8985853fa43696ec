"""The control API: decode, enqueue, reply. What is asked is decided by the planner, never here."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import structlog
from litestar import Litestar, Request, Response, get, post
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream
from litestar.status_codes import HTTP_413_REQUEST_ENTITY_TOO_LARGE

from modelsvc import __version__
from supervisor.config import ModelSection
from supervisor.control import log_reader
from supervisor.control.ledger import ledger_routes
from supervisor.control.openapi import STREAM, Document
from supervisor.control.status import StatusReporter
from supervisor.core import events as ev
from supervisor.core.state import Change, Color, DeploymentKind
from supervisor.errors import InvalidRequest, NotFound, SupervisorError
from supervisor.feed.feed import Feed
from supervisor.feed.sse import events_route
from supervisor.journal import Journal
from supervisor.memory.report import MemoryReporter
from supervisor.monitor.routes import MonitorDesk, monitor_routes
from supervisor.protocol import (
    API_PREFIX,
    HTTP_STATUS,
    DeployRequest,
    ErrorBody,
    ErrorReply,
    ErrorType,
    History,
    LogLines,
    PrewarmRequest,
    ProtocolError,
    Status,
    StopRequest,
    check_settable,
    encode,
)
from supervisor.steps.admission import changed
from supervisor.telemetry import Hub

log = structlog.get_logger()

MAX_BODY_BYTES = 64 * 1024
KINDS: dict[int, ErrorType] = {404: "not_found", 429: "refused"}  # of what the framework, or one of its kind, refuses
Goal = Annotated[Color | None, QueryParameter(description="the colour that is to serve; done if it does already")]
AFTER = "`place` of an answer before: what was written since, instead of the last lines"
OPERATION: dict[str, Any] = {"status_code": 200, "media_type": STREAM}


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """What the handlers forward to."""

    post: Callable[[ev.Event], None]
    hub: Hub
    status: StatusReporter
    journal: Journal
    logs: dict[str, Path]
    memory: MemoryReporter
    feed: Feed
    monitor: MonitorDesk

    def operate(self, event: Callable[[str], ev.Event]) -> Stream:
        """Hand the request in, and answer with everything that becomes of it."""
        request = uuid4().hex[:12]
        return Stream(self._lines(request, event(request)), media_type=STREAM, status_code=200)

    async def _lines(self, request: str, event: ev.Event) -> AsyncIterator[bytes]:
        with self.hub.subscribe(request) as events:
            self.post(event)
            async for told in events:
                yield encode(told) + b"\n"


def build_app(plane: ControlPlane) -> Litestar:
    """The Litestar application of the control socket."""

    @get("/status")
    async def status() -> Status:
        return await plane.status.report()

    @post("/deployments", **OPERATION)
    async def deploy(data: JSONBody[DeployRequest]) -> Stream:
        change = _change(data)
        if data.fast and data.in_place:
            raise InvalidRequest("what is prewarmed runs already: fast and in_place exclude each other")
        return plane.operate(lambda request: ev.DeployRequested(request, change, data.in_place, data.fast))

    @post("/prewarm", **OPERATION)
    async def prewarm(data: JSONBody[PrewarmRequest]) -> Stream:
        change = _change(data)
        return plane.operate(lambda request: ev.PrewarmRequested(request, change))

    @post("/prewarm/cancel", **OPERATION)
    async def cancel() -> Stream:
        return plane.operate(ev.CancelRequested)

    @post("/pause", **OPERATION)
    async def pause() -> Stream:
        return plane.operate(ev.PauseRequested)

    @post("/resume", **OPERATION)
    async def resume() -> Stream:
        return plane.operate(ev.ResumeRequested)

    @post("/rollback", **OPERATION)
    async def rollback(in_place: Annotated[bool, QueryParameter()] = False, to: Goal = None) -> Stream:
        kind = DeploymentKind.ROLLBACK
        return plane.operate(lambda request: ev.SwitchRequested(request, kind, in_place, to))

    @post("/swap", **OPERATION)
    async def swap(to: Goal = None) -> Stream:
        return plane.operate(lambda request: ev.SwitchRequested(request, DeploymentKind.SWAP, to=to))

    @post("/workers/{color:str}/start", **OPERATION)
    async def start(color: FromPath[Color]) -> Stream:
        return plane.operate(lambda request: ev.StartRequested(request, color))

    @post("/workers/{color:str}/stop", **OPERATION)
    async def stop(color: FromPath[Color], data: JSONBody[StopRequest]) -> Stream:
        return plane.operate(lambda request: ev.StopRequested(request, color, data.force))

    @post("/shutdown", **OPERATION)
    async def shutdown() -> Stream:
        return plane.operate(ev.ShutdownRequested)

    @post("/handover", **OPERATION)
    async def hand_over() -> Stream:
        return plane.operate(ev.HandoverRequested)

    @get("/history", sync_to_thread=False)
    def history(limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 20) -> History:
        return History(deployments=plane.journal.history(limit))

    @get("/logs", sync_to_thread=True)
    def logs(
        source: FromQuery[str],
        lines: Annotated[int, QueryParameter(ge=1, le=10_000)] = 100,
        after: Annotated[str | None, QueryParameter(pattern=log_reader.Place.PATTERN, description=AFTER)] = None,
    ) -> LogLines:
        if source not in plane.logs:
            raise NotFound(f"there is no log {source!r}: there are {', '.join(plane.logs)}", code="no_log")
        path = plane.logs[source]
        told = log_reader.last(path, lines) if after is None else log_reader.after(path, log_reader.Place.parse(after))
        return LogLines(source=source, lines=told.lines, place=str(told.place))

    return Litestar(
        path=API_PREFIX,
        route_handlers=[
            *(status, deploy, prewarm, cancel, pause, resume, rollback, swap, start, stop, shutdown, hand_over),
            *(history, logs, events_route(plane.feed)),
            *ledger_routes(plane.memory, plane.status, plane.journal, _change),
            *monitor_routes(plane.monitor),
        ],
        exception_handlers={SupervisorError: _known, HTTPException: _of_framework, Exception: _unexpected},
        before_request=_read_whole,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=OpenAPIConfig(
            title="modelsvc control API", version=__version__, render_plugins=[Document()], use_handler_docstrings=True
        ),
        logging_config=None,
    )


def _change(request: DeployRequest | PrewarmRequest) -> Change:
    """The request as a change, checked as far as it can be without a base. Raises InvalidRequest."""
    problems = [problem for key in request.settings if (problem := _unsettable(key))]
    if problems:
        raise InvalidRequest("; ".join(problems), code="bad_setting")
    change = Change(request.model, request.settings)
    path = changed(ModelSection(), change).path
    if request.model == "" or (path and not Path(path).is_absolute()):
        raise InvalidRequest(f"the model must be an absolute path, not {path!r}", code="model_path_relative")
    return change


def _unsettable(key: str) -> str:
    """Why a deployment cannot change `key`; empty when it can."""
    try:
        check_settable(key)
    except ProtocolError as error:
        return str(error)
    return ""


async def _read_whole(request: Request[Any, Any, Any]) -> None:
    """Also a body that the handler has no use for: a connection closed over unread bytes is reset, answer and all."""
    await request.body()


def _known(_: Request[Any, Any, Any], error: SupervisorError) -> Response[ErrorReply]:
    return Response(ErrorReply(error=error.body()), status_code=HTTP_STATUS[error.type])


def _of_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[ErrorReply]:
    if error.status_code >= 500:
        return _unexpected(request, error)
    message = f"{request.method} {request.url.path}: {_complaint(error)}"
    kind = KINDS.get(error.status_code, "invalid_request")
    body = ErrorBody(type=kind, message=message, code=kind)
    return Response(ErrorReply(error=body), status_code=error.status_code, headers=error.headers or {})


def _complaint(error: HTTPException) -> str:
    """What Litestar found wrong: each parameter by its name, else its only sentence."""
    if error.status_code == HTTP_413_REQUEST_ENTITY_TOO_LARGE:
        return f"the body has more than {MAX_BODY_BYTES} bytes"
    found = [item for item in error.extra if isinstance(item, dict)] if isinstance(error.extra, list) else []
    return "; ".join(_wrong(str(item.get("key")), str(item.get("message"))) for item in found) or error.detail


def _wrong(key: str, message: str) -> str:
    if key != "data":
        return f"{key}: {message}" + (f"; there are {' and '.join(Color)}" if key in ("color", "to") else "")
    return "the body must be a JSON object" + ("" if message == "'data'" else f": {message}")  # no body at all


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[ErrorReply]:
    log.error("control_request_failed", path=request.url.path, exc_info=error)
    body = ErrorBody(type="failed", message="a defect of modelsvc: see logs/supervisor.log", code="internal")
    return Response(ErrorReply(error=body), status_code=500)
