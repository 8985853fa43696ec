"""The two interfaces of a worker, /chat and OpenAI's: how each is asked, and what its answers must look like."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import httpx


class Undocumented(Exception):
    """An answer that no documentation tells of."""


class Interface(ABC):
    path: ClassVar[str]
    end: ClassVar[str]  # the last line of a stream that is whole
    trouble: ClassVar[str]  # what the line begins with that tells why a stream is not

    @abstractmethod
    def body(self, prompt: str, tokens: int, *, stream: bool) -> dict[str, Any]: ...

    @abstractmethod
    def finish_reason(self, answer: dict[str, Any]) -> str: ...

    def check(self, answer: dict[str, Any]) -> None:
        """Of a plain request. Raises Undocumented."""
        reason, tokens = self.finish_reason(answer), answer["usage"]["completion_tokens"]
        if reason not in ("stop", "length") or not tokens:
            raise Undocumented(f"{self.path} ended with {reason} after {tokens} tokens")

    async def pieces(self, response: httpx.Response) -> AsyncIterator[int]:
        """The count of data lines so far, until the stream ends. Raises Undocumented when it breaks off."""
        count, line = 0, ""
        async for line in response.aiter_lines():
            if line.startswith(self.trouble):
                raise Undocumented(f"{self.path} broke off: {line[:200]}")
            if line == self.end:
                return
            if line.startswith("data: "):
                count += 1
                yield count
        raise Undocumented(f"{self.path} was cut after {count} pieces")


class Chat(Interface):
    path = "/chat"
    end = "event: done"
    trouble = "event: error"

    def body(self, prompt: str, tokens: int, *, stream: bool) -> dict[str, Any]:
        return {"message": prompt, "max_tokens": tokens, "temperature": 0, "stream": stream}

    def finish_reason(self, answer: dict[str, Any]) -> str:
        return str(answer["finish_reason"])


class OpenAI(Interface):
    path = "/v1/chat/completions"
    end = "data: [DONE]"
    trouble = 'data: {"error"'

    def __init__(self, model: str) -> None:
        self._model = model

    def body(self, prompt: str, tokens: int, *, stream: bool) -> dict[str, Any]:
        messages = [{"role": "user", "content": prompt}]
        asked = {"model": self._model, "messages": messages, "max_tokens": tokens, "temperature": 0, "stream": stream}
        return asked | ({"stream_options": {"include_usage": True}} if stream else {})

    def finish_reason(self, answer: dict[str, Any]) -> str:
        return str(answer["choices"][0]["finish_reason"])


async def interfaces(http: httpx.AsyncClient) -> tuple[Interface, ...]:
    """Those that it serves."""
    models = await http.get("/v1/models")
    if models.status_code == httpx.codes.NOT_FOUND:
        return (Chat(),)
    return Chat(), OpenAI(models.raise_for_status().json()["data"][0]["id"])


def refusal(response: httpx.Response, body: bytes) -> tuple[int, str]:
    """Status and message of an answer that is an error. Raises Undocumented for one without code or message."""
    try:
        error = json.loads(body)["error"]
        message, code = error["message"], error["code"]
    except (ValueError, TypeError, KeyError) as wrong:
        raise Undocumented(f"HTTP {response.status_code} without an error object: {body[:200]!r}") from wrong
    if not (isinstance(message, str) and isinstance(code, str)):
        raise Undocumented(f"HTTP {response.status_code} with an error that has no code: {body[:200]!r}")
    return response.status_code, message
