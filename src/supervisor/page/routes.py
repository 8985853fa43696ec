"""All of the page's routes, with what becomes of errors."""

from typing import Any

import msgspec
import structlog
from litestar import Request, Response, Router
from litestar.exceptions import HTTPException

from supervisor.control.app import ControlPlane
from supervisor.errors import SupervisorError
from supervisor.page.access import Access
from supervisor.page.chat import Relay, chat_routes
from supervisor.page.errors import PageError
from supervisor.page.files import file_routes
from supervisor.page.looks import Looks, look_routes
from supervisor.page.news import news_route
from supervisor.page.operations import operation_routes
from supervisor.page.pulse import Pulse
from supervisor.protocol import HTTP_STATUS

log = structlog.get_logger()

MAX_BODY_BYTES = 4096  # but for chat
NEVER_KEPT = {"cache-control": "no-store"}


def page_routes(plane: ControlPlane, pulse: Pulse, relay: Relay, access: Access) -> list[Router]:
    api = [
        *look_routes(Looks(plane), pulse, access),
        news_route(plane.feed, access),
        *operation_routes(plane, access),
        *chat_routes(relay, access),
    ]
    return [_router(api), _router(file_routes(access))]


def _router(handlers: Any) -> Router:
    return Router(
        path="/",
        route_handlers=handlers,
        request_max_body_size=MAX_BODY_BYTES,
        after_request=_not_kept,
        exception_handlers={
            PageError: _refused,
            SupervisorError: _known,
            HTTPException: _of_framework,
            Exception: _unexpected,
        },
    )


def _not_kept(response: Response[Any]) -> Response[Any]:
    response.headers.setdefault("cache-control", "no-store")
    return response


def _refused(_: Request[Any, Any, Any], error: PageError) -> Response[Any]:
    asking = {"www-authenticate": 'Bearer realm="modelsvc"'} if error.status == 401 else {}
    return Response(error.body(), status_code=error.status, headers={**NEVER_KEPT, **asking})


def _known(_: Request[Any, Any, Any], error: SupervisorError) -> Response[Any]:
    body = {"error": msgspec.to_builtins(error.body())}
    return Response(body, status_code=HTTP_STATUS[error.type], headers=NEVER_KEPT)


def _of_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    if error.status_code >= 500:
        return _unexpected(request, error)
    body = {"error": {"type": "invalid_request", "message": error.detail, "code": "invalid_request"}}
    return Response(body, status_code=error.status_code, headers=NEVER_KEPT)


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    log.error("page_request_failed", path=request.url.path, exc_info=error)
    body = {"error": {"type": "failed", "message": "a defect of modelsvc: see its log", "code": "internal"}}
    return Response(body, status_code=500, headers=NEVER_KEPT)
