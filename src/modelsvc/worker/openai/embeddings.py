"""POST /v1/embeddings: what may be asked, and vectors as they are told. Pure."""

import base64
import sys
from array import array
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from modelsvc.engine.types import EmbeddingRequest
from modelsvc.worker.bodies import Body
from modelsvc.worker.errors import HttpError
from modelsvc.worker.generations import Embedded
from modelsvc.worker.openai.inputs import Inputs, contents
from modelsvc.worker.openai.replies import Embedding, EmbeddingList, EmbeddingUsage
from modelsvc.worker.openai.wanted import ALLOWED, PLAIN_TIMEOUT_S, Timeout


class EmbeddingsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`input`: a text or its tokens, or several of one kind. `base64`: of 32-bit floats, little end first."""

    input: Inputs
    model: str | None = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    timeout_s: Timeout | None = None


parse_embedding = Body(EmbeddingsRequest, ALLOWED).decode


def embedding_requests(asked: EmbeddingsRequest) -> list[EmbeddingRequest]:
    """One for each input. Raises HttpError."""
    timeout_s = asked.timeout_s or PLAIN_TIMEOUT_S
    return [EmbeddingRequest(each, timeout_s) for each in contents(asked.input, "input")]


def embedding_list(asked: EmbeddingsRequest, found: Sequence[Embedded], model: str) -> EmbeddingList:
    """Raises HttpError where other dimensions are wanted than the model's."""
    width = len(found[0].vector)
    if asked.dimensions not in (None, width):
        told = f"dimensions: this model's vectors have {width}, not {asked.dimensions}: leave it out"
        raise HttpError(400, "invalid_field", told, param="dimensions")
    tell = _base64 if asked.encoding_format == "base64" else list[float]
    data = [Embedding(index=index, embedding=tell(each.vector)) for index, each in enumerate(found)]
    tokens = sum(each.prompt_tokens for each in found)
    return EmbeddingList(data=data, model=model, usage=EmbeddingUsage(prompt_tokens=tokens, total_tokens=tokens))


def _base64(vector: Sequence[float]) -> str:
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return base64.b64encode(floats.tobytes()).decode()
