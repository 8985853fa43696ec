"""POST /v1/completions: what may be asked. Pure."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from modelsvc.engine.types import GenerationRequest, TextPrompt
from modelsvc.worker.bodies import Body
from modelsvc.worker.errors import HttpError
from modelsvc.worker.openai.wanted import Wanted, requests

DEFAULT_MAX_TOKENS = 16  # as OpenAI documents
_HINTS = {"suffix": "a text is continued at its end only: leave it out"}
_ALLOWED = "/openapi.json tells what is allowed"

TokenId = Annotated[int, Meta(ge=0, le=2**31 - 1)]
TokenIds = Annotated[list[TokenId], Meta(min_length=1)]


class TextRequest(Wanted, frozen=True, kw_only=True):
    """`prompt`: a text or its tokens, or several of one kind."""

    prompt: str | Annotated[list[str | TokenId | TokenIds], Meta(min_length=1)]
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    best_of: int | None = None
    suffix: None = None


parse_text = Body(TextRequest, _ALLOWED, _HINTS).decode


def prompts(asked: TextRequest) -> list[TextPrompt]:
    """Raises HttpError where there is a mixture."""
    prompt = asked.prompt
    if isinstance(prompt, str):
        return [TextPrompt(prompt)]
    texts = [each for each in prompt if isinstance(each, str)]
    tokens = [each for each in prompt if isinstance(each, int)]
    lists = [each for each in prompt if isinstance(each, list)]
    if len(prompt) not in (len(texts), len(tokens), len(lists)):
        raise HttpError(400, "invalid_field", "prompt: it mixes kinds: send texts or tokens, not both", param="prompt")
    return [*map(TextPrompt, texts), *(TextPrompt(tuple(each)) for each in [*lists, tokens] if each)]


def text_requests(asked: TextRequest, texts: Sequence[TextPrompt]) -> list[GenerationRequest]:
    """One for each choice of each prompt. Raises HttpError."""
    if asked.best_of is not None and asked.best_of != asked.choices:
        told = f"best_of: {asked.best_of} is not n ({asked.choices}): every choice is told, so leave it out"
        raise HttpError(400, "invalid_field", told, param="best_of")
    if asked.echo and asked.logprobs is not None:
        told = "logprobs: a prompt that is echoed has none: ask for one of them"
        raise HttpError(400, "invalid_field", told, param="logprobs")
    max_tokens = asked.max_tokens or DEFAULT_MAX_TOKENS
    return [each for text in texts for each in requests(asked, text, max_tokens, logprobs=asked.logprobs)]
