"""Asking workers, directly or through the edge."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from supervisor.core.sharing import Load
from supervisor.core.state import Color
from supervisor.errors import WorkerError

PROBE_TIMEOUT_S = 5.0
STATUS_TIMEOUT_S = 0.2
WARM_UP_TIMEOUT_S = 120.0
WARM_UP_PROMPTS = ("Hello.",)
WARM_UP_TOKENS = 2  # the first one brings all weights into memory
WARM_UP_HEADERS = {"X-Modelsvc-Warm-Up": "1"}  # by which a worker in the background knows that no client waits
NONSENSE = (ValueError, KeyError, TypeError, AttributeError)  # what reading an answer of another shape raises


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who answered, by the response's headers."""

    color: str | None
    release: str | None


@dataclass(frozen=True, slots=True)
class InFlight:
    """Chat requests under way, and how many seconds they take at most, if that can be told."""

    requests: int
    left_s: float | None = None


class Probe:
    """Plain HTTP to workers and edge; `ports` are the workers' own. `key` is for workers that demand one."""

    def __init__(self, ports: Mapping[Color, int], edge_url: str, key: str = "") -> None:
        self._ports = ports
        self._edge_url = edge_url
        authorization = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.AsyncClient(timeout=PROBE_TIMEOUT_S, trust_env=False, headers=authorization)
        one_request_each = httpx.Limits(max_keepalive_connections=0)
        self._edge_client = httpx.AsyncClient(timeout=PROBE_TIMEOUT_S, trust_env=False, limits=one_request_each)

    async def close(self) -> None:
        await self._client.aclose()
        await self._edge_client.aclose()

    async def ready(self, color: Color, timeout_s: float = PROBE_TIMEOUT_S) -> None:
        """Raise WorkerError unless the worker itself says it is ready."""
        response = await self._get(f"{self._url(color)}/ready", f"the {color} worker", timeout_s)
        if response.status_code != httpx.codes.OK:
            raise WorkerError(f"the {color} worker is not ready: {_reason(response)}", code="not_ready")

    async def warm_up(self, color: Color) -> str:
        """Real inference, before any client's; says how quick it was."""
        started, tokens = time.monotonic(), 0
        for prompt in WARM_UP_PROMPTS:
            answer = await self.ask(color, prompt, WARM_UP_TOKENS, WARM_UP_HEADERS)
            tokens += _completion_tokens(answer, color)
        seconds = time.monotonic() - started
        return f"{tokens} tokens in {seconds:.2f} s"

    async def load(self, color: Color) -> Load:
        """How the worker says that it holds its weights. Raises WorkerError when it does not tell."""
        health = await self._get(self._report_url(color), f"the {color} worker", PROBE_TIMEOUT_S)
        try:
            model = health.json()["model"]
            return Load(
                mapped_bytes=int(model["mapped_bytes"]),
                copied_bytes=int(model["copied_bytes"]),
                repacked=bool(model["repacked"]),
                device_bytes=int(model.get("device_bytes", 0)),
            )
        except NONSENSE as error:
            raise WorkerError(f"the {color} worker does not tell how it holds its weights: {error!r}") from error

    async def counts(self, color: Color) -> tuple[str, int, int] | None:
        """(worker id, chat requests so far, those of them that failed); None when the worker does not tell."""
        try:
            told = (await self._client.get(self._report_url(color))).json()
            return str(told["worker_id"]), int(told["requests"]["total"]), int(told["requests"]["failed"])
        except (httpx.HTTPError, *NONSENSE):
            return None

    async def report(self, color: Color) -> dict[str, Any]:
        """What the worker tells of itself; empty when it makes no sense. Raises WorkerError when it does not answer."""
        health = await self._get(self._report_url(color), f"the {color} worker", PROBE_TIMEOUT_S)
        try:
            return dict(health.json())
        except NONSENSE:
            return {}

    async def health(self, color: Color) -> dict[str, Any] | None:
        """The worker's own report, or None when it does not answer at once."""
        try:
            response = await self._client.get(self._report_url(color), timeout=STATUS_TIMEOUT_S)
            return dict(response.json())
        except (httpx.HTTPError, *NONSENSE):
            return None

    async def metrics(self, color: Color) -> str | None:
        """The worker's metrics as text, or None when it does not answer at once."""
        try:
            response = await self._client.get(f"{self._url(color)}/metrics", timeout=STATUS_TIMEOUT_S)
        except httpx.HTTPError:
            return None
        return response.text if response.status_code == httpx.codes.OK else None

    async def come_forward(self, color: Color) -> None:
        """Tell a worker that it has the processors for itself. One that does not hear comes forward by and by."""
        with contextlib.suppress(httpx.HTTPError):
            await self._client.post(f"{self._url(color)}/foreground")

    async def in_flight(self, color: Color) -> InFlight:
        """What the worker is busy with; nothing when it is gone. Raises WorkerError when it does not tell."""
        try:
            response = await self._client.get(self._report_url(color))
            told = response.json()
            left_s = (told.get("engine") or {}).get("longest_left_s")
            return InFlight(int(told["requests"]["in_flight"]), None if left_s is None else float(left_s))
        except httpx.ConnectError:
            return InFlight(0)
        except (httpx.HTTPError, *NONSENSE) as error:
            raise WorkerError(f"the {color} worker does not tell its requests in flight: {_said(error)}") from error

    async def through_edge(self, timeout_s: float = PROBE_TIMEOUT_S) -> Answerer:
        """Who answers at the edge, on a connection of its own."""
        try:
            response = await self._edge_client.get(f"{self._edge_url}/healthz", timeout=timeout_s)
        except httpx.HTTPError as error:
            raise WorkerError(f"the edge at {self._edge_url} does not answer: {_said(error)}") from error
        return Answerer(response.headers.get("x-modelsvc-color"), response.headers.get("x-modelsvc-release"))

    async def ask(
        self, color: Color, prompt: str, max_tokens: int, headers: Mapping[str, str], what: str = "a warm-up prompt"
    ) -> dict[str, Any]:
        """The worker's answer at temperature 0. Raises WorkerError when there is none."""
        body = {"message": prompt, "max_tokens": max_tokens, "temperature": 0.0}
        url = f"{self._url(color)}/chat"
        try:
            response = await self._client.post(url, json=body, headers=headers, timeout=WARM_UP_TIMEOUT_S)
        except httpx.HTTPError as error:
            raise WorkerError(f"the {color} worker did not finish {what}: {_said(error)}") from error
        if response.status_code != httpx.codes.OK:
            raise WorkerError(f"the {color} worker refused {what}: {_reason(response)}")
        try:
            return dict(response.json())
        except NONSENSE as error:
            raise WorkerError(f"the {color} worker answered {what} with nonsense: {error!r}") from error

    async def _get(self, url: str, who: str, timeout_s: float) -> httpx.Response:
        try:
            return await self._client.get(url, timeout=timeout_s)
        except httpx.HTTPError as error:
            raise WorkerError(f"{who} does not answer at {url}: {_said(error)}", code="no_answer") from error

    def _report_url(self, color: Color) -> str:
        return f"{self._url(color)}/health/deep"

    def _url(self, color: Color) -> str:
        return f"http://127.0.0.1:{self._ports[color]}"


def _completion_tokens(answer: Mapping[str, Any], color: Color) -> int:
    try:
        return int(answer["usage"]["completion_tokens"])
    except NONSENSE as error:
        raise WorkerError(f"the {color} worker answered a warm-up prompt with nonsense: {error!r}") from error


def _said(error: Exception) -> str:
    """Timeouts have no text of their own."""
    return str(error) or type(error).__name__


def _reason(response: httpx.Response) -> str:
    """What an error answer says, in one line."""
    try:
        return str(response.json()["error"]["message"])
    except NONSENSE:
        return f"HTTP {response.status_code}: {response.text[:200]}"
