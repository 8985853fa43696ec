"""A conversation that the service must remember, whatever is done to it meanwhile."""

from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx
from loadtest import judge
from loadtest.judge import Failed, Reply, Said

TIMEOUT_S = 120.0
MESSAGE = "What do you remember?"


class Conversation:
    """One user's; forgotten at the end, for a service that is not ours keeps nothing of a test."""

    def __init__(self, url: str, key: str = "") -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False)
        self._path = f"/chat/rehearsal-{uuid4().hex[:12]}"
        self._said: list[Said] = []

    async def turn(self, message: str = MESSAGE) -> str:
        """Say something; the colour that answered. Raises Failed when not all that was said so far is remembered."""
        body = {"message": message, "max_tokens": 16, "temperature": 0}
        answer = judge.plain(await self._asked("POST", body))
        self._said += [("user", message), ("assistant", answer.text)]
        judge.history(await self._asked("GET"), self._said)
        return answer.color

    async def forget(self) -> int:
        """How many messages were deleted, which are all. Raises Failed when they are not."""
        count, self._said = len(self._said), []
        return judge.forgotten(await self._asked("DELETE"), count)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._said:
                await self.forget()
        except Failed:
            if error is None:  # else that is what is to be told
                raise
        finally:
            await self._http.aclose()

    async def _asked(self, method: str, body: object = None) -> Reply:
        """Raises Failed when there is no answer."""
        try:
            response = await self._http.request(method, self._path, json=body)
        except httpx.HTTPError as error:
            raise Failed(f"{method} {self._path}: {error!r}") from error
        return Reply(response.status_code, dict(response.headers), response.content)
