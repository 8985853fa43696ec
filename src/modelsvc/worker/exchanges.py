"""What routes that generate have in common: whose request it is, and how an answer that has begun comes to its end."""

from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from litestar import Request

from modelsvc.engine.errors import EngineError
from modelsvc.worker.envelope import Exchange
from modelsvc.worker.errors import HttpError, internal
from modelsvc.worker.generations import as_http
from modelsvc.worker.logs import log
from modelsvc.worker.service import Service

# What the supervisor asks before there are clients. Whoever else sends it may be answered later than others.
WARM_UP_HEADER = "x-modelsvc-warm-up"

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T")


def clients_ask(request: AnyRequest, service: Service) -> None:
    """Leave the background, unless it is the supervisor who asks."""
    if WARM_UP_HEADER not in request.headers:
        service.come_forward()


def exchange_of(request: AnyRequest) -> Exchange:
    exchange: Exchange = request.scope["state"]["exchange"]
    return exchange


async def to_the_end(
    told: AsyncIterator[T], exchange: Exchange, broken_off: Callable[[HttpError], T]
) -> AsyncIterator[T]:
    """What a stream tells, and why it breaks off if it does: the status line is out, so an event is the only way."""
    try:
        async for each in told:
            yield each
    except Exception as error:
        found = _as_told(error)
        exchange.error = found.code
        exchange.broken = found.status >= 500  # a grammar that is too slow, for one, is no fault of the worker
        log.error("stream_failed", exc_info=error)
        yield broken_off(found)


def _as_told(error: Exception) -> HttpError:
    if isinstance(error, HttpError):
        return error
    return as_http(error) if isinstance(error, EngineError) else internal()
