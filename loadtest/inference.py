"""Real questions to the running service in each way it can be asked, and whether the answers are as documented.

    python -m loadtest.inference [--url URL]

Exit code 0: all are; 1: one is not; 2: nobody answers, or misuse.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
from loadtest import judge
from loadtest.conversation import Conversation
from loadtest.interfaces import Chat, Interface, OpenAI, Undocumented
from loadtest.judge import Failed, Reply
from loadtest.rig.errors import exit_code
from loadtest.rig.service import running

from modelsvc.cli.edge import KEY_ENV
from supervisor.protocol import ExitCode

QUESTION = "Hello! Who are you?"
TOKENS = 32
TIMEOUT_S = 300.0
ROW = "{:<44} {:<6} {:>8}  {}"


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one service; each method raises Failed or Undocumented when an answer is not as it should be."""

    http: httpx.AsyncClient
    url: str
    key: str

    async def plain(self) -> str:
        answer = judge.plain(await self._chat(stream=False))
        return f"{answer.color}: {answer.text}"

    async def stream(self) -> str:
        answer = judge.stream(await self._chat(stream=True))
        return f"{answer.color}: {answer.text}"

    async def conversation(self) -> str:
        async with Conversation(self.url, self.key) as conversation:
            await conversation.turn()
            color = await conversation.turn()
            return f"{color}: remembered, then {await conversation.forget()} messages forgotten"

    async def openai_plain(self) -> str:
        interface = await self._openai()
        response = await self.http.post(interface.path, json=interface.body(QUESTION, TOKENS, stream=False))
        interface.check(_good(response).json())
        return str(response.json()["choices"][0]["message"]["content"])

    async def openai_stream(self) -> str:
        interface = await self._openai()
        body = interface.body(QUESTION, TOKENS, stream=True)
        async with self.http.stream("POST", interface.path, json=body) as response:
            _good(response)
            pieces = [count async for count in interface.pieces(response)]
        return f"{len(pieces)} pieces"

    async def _openai(self) -> OpenAI:
        models = _good(await self.http.get("/v1/models")).json()
        return OpenAI(models["data"][0]["id"])

    async def _chat(self, *, stream: bool) -> Reply:
        interface: Interface = Chat()
        response = await self.http.post(interface.path, json=interface.body(QUESTION, TOKENS, stream=stream))
        return Reply(response.status_code, dict(response.headers), response.content)


WAYS: dict[str, Callable[[Asker], Awaitable[str]]] = {
    "POST /chat": Asker.plain,
    "POST /chat, stream": Asker.stream,
    "POST, GET, DELETE /chat/{user}": Asker.conversation,
    "POST /v1/chat/completions": Asker.openai_plain,
    "POST /v1/chat/completions, stream": Asker.openai_stream,
}


async def ask_all(url: str, key: str) -> bool:
    """In each way, a line for each; whether all answers were right."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    sys.stdout.write(ROW.format("asked", "answer", "seconds", "") + "\n")
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False) as http:
        asker = Asker(http, url, key)
        return all([await _tried(name, way, asker) for name, way in WAYS.items()])


async def _tried(name: str, way: Callable[[Asker], Awaitable[str]], asker: Asker) -> bool:
    began = time.monotonic()
    try:
        told, right = await way(asker), True
    except (Failed, Undocumented, httpx.HTTPError, LookupError, TypeError, ValueError) as error:
        told, right = f"{type(error).__name__}: {error}", False
    words = " ".join(told.split())[: 60 if right else 300]
    sys.stdout.write(ROW.format(name, "right" if right else "WRONG", f"{time.monotonic() - began:.2f}", words) + "\n")
    sys.stdout.flush()
    return right


def _good(response: httpx.Response) -> httpx.Response:
    """Raises Failed for an error."""
    if response.status_code != httpx.codes.OK:
        raise Failed(f"HTTP {response.status_code} at {response.request.url.path}")
    return response


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtest.inference", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--url", help="the edge; the running service knows")
    options = parser.parse_args()
    target = running(options.url, must_obey=False)
    right = asyncio.run(ask_all(target.url, os.environ.get(KEY_ENV, "")))
    return ExitCode.DONE if right else ExitCode.FAILED


if __name__ == "__main__":
    sys.exit(exit_code(main))
