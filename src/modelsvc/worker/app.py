"""The application: routes, error answers, and the envelope around them."""

from typing import Any

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException

from modelsvc.worker.envelope import Envelope
from modelsvc.worker.errors import HttpError, internal, shown
from modelsvc.worker.exchanges import exchange_of
from modelsvc.worker.logs import log
from modelsvc.worker.openai.routes import openai_routes
from modelsvc.worker.openapi import document_route
from modelsvc.worker.routes_chat import chat_routes
from modelsvc.worker.routes_health import health_routes
from modelsvc.worker.routes_tokens import token_routes
from modelsvc.worker.service import Service

MAX_BODY_BYTES = 2**20
_CODES = {
    400: ("bad_request", "the request cannot be understood"),
    404: ("no_such_route", "there is nothing at this path: /openapi.json tells what there is"),
    405: ("method_not_allowed", "this path does not know that method: /openapi.json tells which it does"),
    413: ("body_too_large", f"the body may have at most {MAX_BODY_BYTES} bytes: send less"),
}


def build_app(service: Service) -> Envelope:
    litestar = Litestar(
        [
            *health_routes(service),
            *chat_routes(service),
            *openai_routes(service),
            *token_routes(service),
            document_route(),
        ],
        exception_handlers={
            HttpError: _known,
            HTTPException: _of_framework,
            RecursionError: _too_deep,
            Exception: _unexpected,
        },
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,  # its routes would bring pages that load scripts from elsewhere
        logging_config=None,
    )
    return Envelope(litestar, service)


def _known(request: Request[Any, Any, Any], error: HttpError) -> Response[dict[str, object]]:
    exchange_of(request).error = error.code
    return Response(error.body(), status_code=error.status, headers=dict(error.headers()))


def _of_framework(request: Request[Any, Any, Any], error: HTTPException) -> Response[dict[str, object]]:
    if error.status_code >= 500:
        return _unexpected(request, error)
    code, message = _CODES.get(error.status_code, ("refused", error.detail))
    if error.status_code in (404, 405):
        message = f"{request.method} {shown(request.url.path)}: {message}"
    answer = _known(request, HttpError(error.status_code, code, message))
    answer.headers.update(error.headers or {})  # Allow, of a 405
    return answer


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, object]]:
    log.error("request_failed", path=request.scope.get("path_template"), exc_info=error)
    return _known(request, internal())


def _too_deep(request: Request[Any, Any, Any], _: RecursionError) -> Response[dict[str, object]]:
    """Nothing here goes deeper than what was sent."""
    return _known(request, HttpError(400, "too_deep", "the body is nested too deep: send objects in fewer levels"))
