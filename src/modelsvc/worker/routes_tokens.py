"""POST /tokenize and /detokenize, beside the decoding."""

from collections.abc import Coroutine
from typing import Any, TypeVar

from litestar import post
from litestar.handlers import HTTPRouteHandler

from modelsvc.engine.engine import Engine
from modelsvc.engine.errors import EngineError
from modelsvc.worker.exchanges import AnyRequest
from modelsvc.worker.generations import as_http
from modelsvc.worker.presence import unless_gone
from modelsvc.worker.service import Service
from modelsvc.worker.tokens import Content, Tokenize, Tokens, parse_detokenize, parse_tokenize, piece

T = TypeVar("T")


def token_routes(service: Service) -> list[HTTPRouteHandler]:
    @post("/tokenize", status_code=200)
    async def tokenize(request: AnyRequest) -> Tokens:
        asked = parse_tokenize(await request.body())
        return await _done(request, _tokens(service.usable_engine(), asked))

    @post("/detokenize", status_code=200)
    async def detokenize(request: AnyRequest) -> Content:
        asked = parse_detokenize(await request.body())
        return Content(content=await _done(request, service.usable_engine().detokenize(tuple(asked.tokens))))

    return [tokenize, detokenize]


async def _tokens(engine: Engine, asked: Tokenize) -> Tokens:
    control = asked.parse_special is not False  # as llama-server has it
    found = await engine.tokenize(asked.content, control=control, framed=bool(asked.add_special))
    if not asked.with_pieces:
        return Tokens(tokens=list(found))
    return Tokens(tokens=list(map(piece, found, await engine.spellings(found))))


async def _done(request: AnyRequest, work: Coroutine[Any, Any, T]) -> T:
    try:
        return await unless_gone(request.receive, work)
    except EngineError as error:
        raise as_http(error) from error
