"""One answer of /v1 from the events of its generations: whole, or as a stream."""

import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from modelsvc.engine.types import Event, Finished, Usage
from modelsvc.worker.errors import HttpError
from modelsvc.worker.generations import Numbered
from modelsvc.worker.openai.replies import CachedTokens, UsageReport
from modelsvc.worker.release import Release
from modelsvc.worker.service import Identity

DONE = b"data: [DONE]\n\n"


class Choice(Protocol):
    def take(self, event: Event) -> Sequence[Any]:
        """What a stream tells at that event."""
        ...

    def whole(self) -> Any:
        """After the last event."""
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """Of completions: how their ids begin, and the types of the whole and of a stream's events."""

    prefix: str
    whole: Callable[..., msgspec.Struct]
    chunk: Callable[..., msgspec.Struct]


class Answer:
    """`choices`: in order of the generations. `per_prompt`: how many of them have the same prompt."""

    def __init__(self, kind: Kind, identity: Identity, choices: Sequence[Choice], per_prompt: int) -> None:
        release = identity.release
        self._kind = kind
        self._choices = choices
        self._per_prompt = per_prompt
        self._usages: dict[int, Usage] = {}
        self._head = {
            "id": f"{kind.prefix}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model_id(release),
            "system_fingerprint": f"fp_{release.model.sha256[:10]}_{release.number}",
        }

    async def whole(self, events: AsyncIterator[Numbered]) -> msgspec.Struct:
        async for number, event in events:
            self._take(number, event)
        choices = [choice.whole() for choice in self._choices]
        return self._kind.whole(**self._head, choices=choices, usage=self._usage())

    async def stream(self, events: AsyncIterator[Numbered], *, with_usage: bool) -> AsyncIterator[bytes]:
        usage: dict[str, None] = {"usage": None} if with_usage else {}
        async for number, event in events:
            for choice in self._take(number, event):
                yield sse(self._kind.chunk(**self._head, choices=[choice], **usage))
        if with_usage:
            yield sse(self._kind.chunk(**self._head, choices=[], usage=self._usage()))
        yield DONE

    def _take(self, number: int, event: Event) -> Sequence[Any]:
        if isinstance(event, Finished):
            self._usages[number] = event.usage
        return self._choices[number].take(event)

    def _usage(self) -> UsageReport:
        prompts = [usage for number, usage in self._usages.items() if number % self._per_prompt == 0]
        prompt_tokens = sum(usage.prompt_tokens for usage in prompts)
        completion_tokens = sum(usage.completion_tokens for usage in self._usages.values())
        return UsageReport(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            total_tokens=prompt_tokens + completion_tokens,
            prompt_tokens_details=CachedTokens(cached_tokens=sum(usage.cached_tokens for usage in prompts)),
        )


def model_id(release: Release) -> str:
    return Path(release.model.path).stem


def broken_off(error: HttpError) -> bytes:
    return sse(error.body())


def sse(data: object) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
