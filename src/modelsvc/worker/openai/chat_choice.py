"""One choice of a chat completion while it comes about: what a stream tells of it, and in the end the whole. Pure."""

import secrets
import string

from msgspec import UNSET

from modelsvc.engine.tool_reader import Call, Read, ToolReader
from modelsvc.engine.types import Event, Finished, FinishReason, Token
from modelsvc.worker.openai.chat_request import ChatRequest
from modelsvc.worker.openai.logprobs import drawn_tokens
from modelsvc.worker.openai.replies import (
    AssistantReply,
    ChatChoice,
    ChatChunkChoice,
    ChatLogprobs,
    Delta,
    DrawnToken,
    FunctionCall,
    Reason,
    ToolCall,
    ToolCallDelta,
)
from modelsvc.worker.openai.tools import Toolbox

_ID_CHARACTERS = string.ascii_letters + string.digits
_ID_LENGTH = 9  # what some chat templates demand


class ChatChoiceSoFar:
    """`reader`: how its text is read where tools may be called. `several`: calls are told, or only the first."""

    def __init__(
        self, index: int, *, logprobs: bool = False, reader: ToolReader | None = None, several: bool = True
    ) -> None:
        self._index = index
        self._logprobs: list[DrawnToken] | None = [] if logprobs else None
        self._untold: list[DrawnToken] = []
        self._reader = reader
        self._several = several
        self._text: list[str] = []
        self._calls: list[ToolCall] = []
        self._begun = False
        self._reason: Reason = "stop"

    def take(self, event: Event) -> list[ChatChunkChoice]:
        """What a stream tells at that event."""
        begin = [] if self._begun else [self._chunk(Delta(role="assistant", content=""))]
        self._begun = True
        match event:
            case Token(text, drawn):
                if self._logprobs is not None:
                    self._untold += drawn_tokens(drawn)
                return [*begin, *self._told(self._reader.push(text) if self._reader else Read(text))]
            case Finished(reason):
                rest = self._told(self._reader.end() if self._reader else Read(""), final=True)
                self._reason = self._ended(reason)
                return [*begin, *rest, self._chunk(Delta(), reason=self._reason)]

    def whole(self) -> ChatChoice:
        text = "".join(self._text)
        message = AssistantReply(content=text or None if self._calls else text, tool_calls=self._calls or UNSET)
        logprobs = None if self._logprobs is None else ChatLogprobs(content=self._logprobs)
        return ChatChoice(index=self._index, message=message, logprobs=logprobs, finish_reason=self._reason)

    def _told(self, read: Read, *, final: bool = False) -> list[ChatChunkChoice]:
        """Probabilities go with the text that they are of, or in the end alone."""
        calls = [delta for call in read.calls if (delta := self._call(call))]
        if not (read.text or calls or (self._untold and (final or not self._reader))):
            return []
        self._text.append(read.text)
        return [self._chunk(Delta(content=read.text or UNSET, tool_calls=calls or UNSET), self._told_logprobs())]

    def _call(self, call: Call) -> ToolCallDelta | None:
        if self._calls and not self._several:
            return None
        call_id = "".join(secrets.choice(_ID_CHARACTERS) for _ in range(_ID_LENGTH))
        function = FunctionCall(name=call.name, arguments=call.arguments)
        self._calls.append(ToolCall(id=call_id, function=function))
        return ToolCallDelta(index=len(self._calls) - 1, id=call_id, function=function)

    def _told_logprobs(self) -> ChatLogprobs | None:
        if self._logprobs is None:
            return None
        told, self._untold = self._untold, []
        self._logprobs += told
        return ChatLogprobs(content=told)

    def _ended(self, reason: FinishReason) -> Reason:
        if reason == "length":
            return "length"
        return "tool_calls" if self._calls else "stop"

    def _chunk(
        self, delta: Delta, logprobs: ChatLogprobs | None = None, reason: Reason | None = None
    ) -> ChatChunkChoice:
        return ChatChunkChoice(index=self._index, delta=delta, logprobs=logprobs, finish_reason=reason)


def chat_choices(asked: ChatRequest, tools: Toolbox) -> list[ChatChoiceSoFar]:
    return [
        ChatChoiceSoFar(index, logprobs=bool(asked.logprobs), reader=tools.reader(), several=tools.several)
        for index in range(asked.choices)
    ]
