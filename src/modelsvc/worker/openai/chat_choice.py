"""One choice of a chat completion while it comes about: what a stream tells of it, and in the end the whole. Pure."""

from modelsvc.engine.types import Event, Finished, Token
from modelsvc.worker.openai.logprobs import drawn_tokens
from modelsvc.worker.openai.replies import (
    AssistantReply,
    ChatChoice,
    ChatChunkChoice,
    ChatLogprobs,
    Delta,
    DrawnToken,
    Reason,
)


class ChatChoiceSoFar:
    def __init__(self, index: int, *, logprobs: bool) -> None:
        self._index = index
        self._logprobs: list[DrawnToken] | None = [] if logprobs else None
        self._text: list[str] = []
        self._begun = False
        self._reason: Reason = "stop"

    def take(self, event: Event) -> list[ChatChunkChoice]:
        """What a stream tells at that event."""
        told = [] if self._begun else [self._chunk(Delta(role="assistant", content=""))]
        self._begun = True
        match event:
            case Token():
                return [*told, self._token(event)]
            case Finished():
                self._reason = "length" if event.reason == "length" else "stop"
                return [*told, self._chunk(Delta(), reason=self._reason)]

    def whole(self) -> ChatChoice:
        message = AssistantReply(content="".join(self._text))
        logprobs = None if self._logprobs is None else ChatLogprobs(content=self._logprobs)
        return ChatChoice(index=self._index, message=message, logprobs=logprobs, finish_reason=self._reason)

    def _token(self, token: Token) -> ChatChunkChoice:
        self._text.append(token.text)
        if self._logprobs is None:
            return self._chunk(Delta(content=token.text))
        drawn = drawn_tokens(token.drawn)
        self._logprobs += drawn
        return self._chunk(Delta(content=token.text), ChatLogprobs(content=drawn))

    def _chunk(
        self, delta: Delta, logprobs: ChatLogprobs | None = None, reason: Reason | None = None
    ) -> ChatChunkChoice:
        return ChatChunkChoice(index=self._index, delta=delta, logprobs=logprobs, finish_reason=reason)
