"""What both kinds of completions may ask for, and how tokens are drawn for it. Pure.

Fields that nobody here knows are ignored, since clients send many; null is the same as leaving a field out.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from modelsvc.engine.types import GenerationRequest, Prompt, Sampling
from modelsvc.worker.defaults import NEUTRAL, Defaults
from modelsvc.worker.errors import HttpError

ALLOWED = "/openapi.json tells what is allowed"
MAX_CHOICES = 8
PLAIN_TIMEOUT_S = 570.0  # the edge gives up after 600 s without a byte
STREAM_TIMEOUT_S = 3600.0
_USUAL_TEMPERATURE = 1.0  # as OpenAI documents
_USUAL_TRUNCATION: dict[str, Any] = {"top_p": 1.0, "top_k": 40, "min_p": 0.05}

Limit = Annotated[int, Meta(ge=-1, le=2**31 - 1, extra_json_schema={"not": {"const": 0}})]
Share = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
TokenId = Annotated[str, Meta(pattern="^[0-9]{1,9}$")]
Timeout = Annotated[float, Meta(ge=1, le=86400)]
Stop = Annotated[str, Meta(min_length=1, max_length=1000)]


class StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    model: str | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Limit | None = None
    stop: Stop | Annotated[list[Stop], Meta(max_length=16)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Meta(ge=-1, le=2**31 - 1)] | None = None
    min_p: Share | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    logit_bias: dict[TokenId, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    timeout_s: Timeout | None = None

    @property
    def choices(self) -> int:
        return self.n or 1

    @property
    def with_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


def token_limit(name: str, asked: int | None) -> int | None:
    """-1 is what clients of llama.cpp's own server say for no limit but the context. Raises HttpError."""
    if asked == 0:
        raise HttpError(
            400, "invalid_field", f"{name}: must be a whole number >= 1, or -1, not 0; {ALLOWED}", param=name
        )
    return None if asked == -1 else asked


def requests(
    wanted: Wanted,
    prompt: Prompt,
    max_tokens: int | None,
    defaults: Defaults,
    *,
    logprobs: int | None,
    grammar: str | None = None,
) -> Iterator[GenerationRequest]:
    """One for each choice of a prompt."""
    stop = (wanted.stop,) if isinstance(wanted.stop, str) else tuple(wanted.stop or ())
    timeout_s = wanted.timeout_s or (STREAM_TIMEOUT_S if wanted.stream else PLAIN_TIMEOUT_S)
    for choice in range(wanted.choices):
        drawing = sampling(wanted, choice, grammar, defaults)
        yield GenerationRequest(prompt, max_tokens, drawing, stop, logprobs, timeout_s)


def sampling(wanted: Wanted, choice: int, grammar: str | None, defaults: Defaults) -> Sampling:
    """Whoever sets one of top_p, top_k and min_p gets that alone; else the release's, or the usual ones, which keep
    nonsense out.
    """
    given = {name: value for name in NEUTRAL if (value := getattr(wanted, name)) is not None}
    truncation = {**NEUTRAL, **given} if given else defaults.truncation_or(_USUAL_TRUNCATION)
    return Sampling(
        temperature=defaults.temperature_or(_USUAL_TEMPERATURE) if wanted.temperature is None else wanted.temperature,
        top_k=max(truncation["top_k"], 0),  # -1 is what some clients say for all
        top_p=truncation["top_p"],
        min_p=truncation["min_p"],
        seed=None if wanted.seed is None else wanted.seed + choice,
        frequency_penalty=wanted.frequency_penalty or 0.0,
        presence_penalty=wanted.presence_penalty or 0.0,
        repeat_penalty=wanted.repeat_penalty or defaults.repeat_penalty,
        logit_bias=tuple((int(token), bias) for token, bias in (wanted.logit_bias or {}).items()),
        grammar=grammar,
    )
