"""A conversation with the service: one question, one answer, streamed or whole."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote

from modelsvc.cli.edge import Edge, EdgeFailure, ServerEvent


@dataclass(frozen=True)
class Conversation:
    """Where to ask, as whom, and how. Without a user nothing is remembered."""

    url: SplitResult
    user: str | None
    stream: bool
    options: dict[str, Any]  # max_tokens, temperature, when given
    timeout_s: float
    key: str | None = None

    def ask(self, message: str, show: Callable[[str], None]) -> dict[str, Any]:
        """Send one message, `show` the answer's text as it comes, and return the final object."""
        body = {"message": message, **self.options, "stream": self.stream}
        with closing(Edge(self.url, self.timeout_s, self.key)) as edge:
            response = edge.ask("POST", self._path, body)
            if self.stream and response.headers.get_content_type() == "text/event-stream":
                return _streamed(edge, edge.events(response), show)
            answer: dict[str, Any] = edge.json(response)
        show(str(answer.get("response", "")))
        return answer

    def forget(self) -> None:
        """Delete the user's history."""
        with closing(Edge(self.url, self.timeout_s, self.key)) as edge:
            edge.read(edge.ask("DELETE", self._path))

    @property
    def _path(self) -> str:
        return f"/chat/{quote(self.user, safe='')}" if self.user else "/chat"


def _streamed(edge: Edge, events: Any, show: Callable[[str], None]) -> dict[str, Any]:
    for event in events:
        match event:
            case ServerEvent("token", data):
                show(_text(data))
            case ServerEvent("done", data):
                return dict(data)
            case ServerEvent("error", data):
                raise _failure(data)
    raise EdgeFailure(f"{edge.where} broke its answer off", "failed", "broken_answer")


def _text(data: Any) -> str:
    return str(data.get("text", "")) if isinstance(data, dict) else str(data)


def _failure(data: Any) -> EdgeFailure:
    error = data.get("error", data) if isinstance(data, dict) else {}
    message = error.get("message", "the answer could not be finished")
    return EdgeFailure(str(message), "failed", str(error.get("code", "failed")))
