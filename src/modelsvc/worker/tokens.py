"""POST /tokenize and /detokenize, as llama-server has them: what may be asked, and what is told. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

from modelsvc.worker.bodies import Body
from modelsvc.worker.errors import HttpError
from modelsvc.worker.openai.inputs import TokenId
from modelsvc.worker.replies import Reply

MAX_CHARACTERS_WITH_PIECES = 100_000  # each piece is asked for by itself
_ALLOWED = "/openapi.json tells what is allowed"


class Tokenize(msgspec.Struct, frozen=True, kw_only=True):
    """`add_special`: with the tokens at both ends that the model wants; `parse_special`: control tokens by their names.

    `with_pieces` takes up to 100,000 characters.
    """

    content: str
    add_special: bool | None = None
    parse_special: bool | None = None
    with_pieces: bool | None = None


class Detokenize(msgspec.Struct, frozen=True, kw_only=True):
    tokens: list[TokenId]


class Piece(Reply, frozen=True):
    """`piece`: its text, or its bytes where they are a part of a character."""

    id: Annotated[int, Meta(ge=0)]
    piece: str | list[int]


class Tokens(Reply, frozen=True):
    """POST /tokenize: ids, or pieces where they are wanted."""

    tokens: list[int | Piece]


class Content(Reply, frozen=True):
    """POST /detokenize."""

    content: str


parse_detokenize = Body(Detokenize, _ALLOWED).decode
_parse_tokenize = Body(Tokenize, _ALLOWED).decode


def parse_tokenize(body: bytes) -> Tokenize:
    """Raises HttpError (400)."""
    asked = _parse_tokenize(body)
    if asked.with_pieces and len(asked.content) > MAX_CHARACTERS_WITH_PIECES:
        told = f"content: with_pieces takes up to {MAX_CHARACTERS_WITH_PIECES} characters, not {len(asked.content)}"
        raise HttpError(400, "invalid_field", f"{told}: send it in parts, or leave with_pieces out", param="content")
    return asked


def piece(token: int, spelling: bytes) -> Piece:
    try:
        return Piece(id=token, piece=spelling.decode())
    except UnicodeDecodeError:
        return Piece(id=token, piece=list(spelling))
