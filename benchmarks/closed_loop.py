"""Closed-loop clients of an OpenAI endpoint, and what they measured.

Tokens are counted by the answers' own `usage`: text comes in whole characters, so a token may bring none. For the same
reason the times between tokens are those between pieces of text.
"""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

import httpx
from benchmarks.load import Load

TIMEOUT_S = 600.0


@dataclass(slots=True)
class Answer:
    """When a request was sent, when each piece of its text came, and when it was complete: monotonic seconds."""

    sent: float
    came: list[float] = field(default_factory=list)
    ended: float = 0.0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0

    @property
    def first_s(self) -> float:
        return self.came[0] - self.sent

    @property
    def gaps_s(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.came)]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a run. `together_s`: median time to first token of the first request of each client, all sent at once.

    `short`: answers that ended before they had all their tokens. `client_cpu`: processors that the clients used.
    """

    tokens_per_s: float
    together_s: float
    first_p50_s: float
    first_p95_s: float
    gap_p50_s: float
    gap_p95_s: float
    gap_max_s: float
    requests: int
    short: int
    failed: dict[str, int]
    seconds: float
    prompt_tokens: int
    cached_tokens: int
    tokens: int
    pieces: int
    client_cpu: float


class Failed(Exception):
    """An answer that came, but is not a whole one. Its text is the kind of the failure."""


class Endpoint:
    """One client of an OpenAI endpoint, with a connection of its own."""

    def __init__(self, url: str, key: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, headers=headers)
        self._model: str | None = None

    async def __aenter__(self) -> "Endpoint":
        self._model = (await self._http.get("/v1/models")).raise_for_status().json()["data"][0]["id"]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ask(self, body: dict[str, Any], answer: Answer | None = None) -> Answer:
        """Raises Failed or httpx.HTTPError. `answer` can be watched while it grows."""
        answer = answer or Answer(time.monotonic())
        async with self._http.stream("POST", "/v1/chat/completions", json={"model": self._model} | body) as response:
            if response.status_code != httpx.codes.OK:
                raise Failed(f"HTTP {response.status_code}")
            async for event in events(response):
                take(answer, event)
        answer.ended = time.monotonic()
        if not answer.tokens:
            raise Failed("no usage")
        return answer


async def events(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    """Raises Failed when the stream ends without saying so."""
    async for line in response.aiter_lines():
        kind, _, data = line.partition(": ")
        if data == "[DONE]":
            return
        if kind == "data":
            yield json.loads(data)
    raise Failed("cut off")


def take(answer: Answer, event: dict[str, Any]) -> None:
    if "error" in event:
        raise Failed(f"error event: {event['error'].get('code')}")
    if any(choice["delta"].get("content") for choice in event["choices"]):
        answer.came.append(time.monotonic())
    if usage := event.get("usage"):
        answer.prompt_tokens, answer.tokens = usage["prompt_tokens"], usage["completion_tokens"]
        answer.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)


class Run:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._numbers: Iterator[int] = iter(range(load.requests))
        self._first: list[Answer] = []
        self._answers: list[Answer] = []
        self._failed: Counter[str] = Counter()

    async def against(self, url: str, key: str | None = None) -> Figures:
        """All clients connect, and then ask."""
        load = self._load
        connected = asyncio.Barrier(load.clients)
        used, began = 0.0, 0.0

        async def client() -> None:
            nonlocal used, began
            async with Endpoint(url, key) as endpoint:
                await connected.wait()
                used, began = used or time.process_time(), began or time.monotonic()
                await self._client(endpoint)

        await asyncio.gather(*(client() for _ in range(load.clients)))
        return self._figures(time.monotonic() - began, time.process_time() - used)

    async def _client(self, endpoint: Endpoint) -> None:
        for turn, number in zip(itertools.count(), self._numbers, strict=False):
            try:
                answer = await endpoint.ask(self._load.body(number))
            except (Failed, httpx.HTTPError) as error:
                self._failed[str(error) if isinstance(error, Failed) else type(error).__name__] += 1
                continue
            self._answers.append(answer)
            if not turn:
                self._first.append(answer)

    def _figures(self, seconds: float, cpu_s: float) -> Figures:
        answers = self._answers
        spoken = [answer for answer in answers if answer.came]
        first, gaps = [answer.first_s for answer in spoken], [gap for answer in spoken for gap in answer.gaps_s]
        tokens = sum(answer.tokens for answer in answers)
        return Figures(
            tokens_per_s=tokens / seconds,
            together_s=median([answer.first_s for answer in self._first if answer.came] or [0.0]),
            first_p50_s=quantile(first, 0.5),
            first_p95_s=quantile(first, 0.95),
            gap_p50_s=quantile(gaps, 0.5),
            gap_p95_s=quantile(gaps, 0.95),
            gap_max_s=quantile(gaps, 1.0),
            requests=len(answers),
            short=sum(answer.tokens < self._load.tokens for answer in answers),
            failed=dict(self._failed),
            seconds=seconds,
            prompt_tokens=sum(answer.prompt_tokens for answer in answers),
            cached_tokens=sum(answer.cached_tokens for answer in answers),
            tokens=tokens,
            pieces=sum(len(answer.came) for answer in answers),
            client_cpu=cpu_s / seconds,
        )


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values) or [0.0]
    return ordered[round(share * (len(ordered) - 1))]
