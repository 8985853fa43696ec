"""POST /v1/completions: what may be asked. Pure."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from modelsvc.engine.types import GenerationRequest, TextPrompt
from modelsvc.worker.bodies import Body
from modelsvc.worker.defaults import Defaults
from modelsvc.worker.errors import HttpError
from modelsvc.worker.openai.inputs import Inputs, contents
from modelsvc.worker.openai.wanted import ALLOWED, Wanted, requests, token_limit

DEFAULT_MAX_TOKENS = 16  # as OpenAI documents
_HINTS = {"suffix": "a text is continued at its end only: leave it out"}


class TextRequest(Wanted, frozen=True, kw_only=True):
    """`prompt`: a text or its tokens, or several of one kind."""

    prompt: Inputs
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=20)] | None = None
    best_of: int | None = None
    suffix: None = None


parse_text = Body(TextRequest, ALLOWED, _HINTS).decode


def prompts(asked: TextRequest) -> list[TextPrompt]:
    """Raises HttpError where there is a mixture."""
    return [TextPrompt(content) for content in contents(asked.prompt, "prompt")]


def text_requests(asked: TextRequest, texts: Sequence[TextPrompt], defaults: Defaults) -> list[GenerationRequest]:
    """One for each choice of each prompt. Raises HttpError."""
    if asked.best_of is not None and asked.best_of != asked.choices:
        told = f"best_of: {asked.best_of} is not n ({asked.choices}): every choice is told, so leave it out"
        raise HttpError(400, "invalid_field", told, param="best_of")
    if asked.echo and asked.logprobs is not None:
        told = "logprobs: a prompt that is echoed has none: ask for one of them"
        raise HttpError(400, "invalid_field", told, param="logprobs")
    max_tokens = DEFAULT_MAX_TOKENS if asked.max_tokens is None else token_limit("max_tokens", asked.max_tokens)
    return [each for text in texts for each in requests(asked, text, max_tokens, defaults, logprobs=asked.logprobs)]
