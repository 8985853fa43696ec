"""What /v1 answers, as types: answers are made of them, and the OpenAPI document too."""

from typing import Literal

from msgspec import UNSET, UnsetType

from modelsvc.worker.replies import Reply

Reason = Literal["stop", "length", "tool_calls"]


class CachedTokens(Reply, frozen=True):
    """How many of the prompt's were computed already, for another request."""

    cached_tokens: int


class UsageReport(Reply, frozen=True):
    """Of all choices; a prompt counts once."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens


class _Answered(Reply, frozen=True):
    """`model` is the one that answered, whatever the request named."""

    id: str
    created: int
    model: str
    system_fingerprint: str


class Probable(Reply, frozen=True):
    """`bytes`: of the token, whose text may be part of a character only."""

    token: str
    logprob: float
    bytes: list[int]


class DrawnToken(Probable, frozen=True):
    top_logprobs: list[Probable]


class ChatLogprobs(Reply, frozen=True):
    content: list[DrawnToken]
    refusal: None = None


class FunctionCall(Reply, frozen=True):
    """`arguments`: JSON, as text."""

    name: str
    arguments: str


class ToolCall(Reply, frozen=True):
    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class AssistantReply(Reply, frozen=True):
    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    tool_calls: list[ToolCall] | UnsetType = UNSET


class ChatChoice(Reply, frozen=True):
    index: int
    message: AssistantReply
    logprobs: ChatLogprobs | None
    finish_reason: Reason


class ChatCompletion(_Answered, frozen=True):
    """POST /v1/chat/completions."""

    choices: list[ChatChoice]
    usage: UsageReport
    object: Literal["chat.completion"] = "chat.completion"


class ToolCallDelta(ToolCall, frozen=True, kw_only=True):
    index: int


class Delta(Reply, frozen=True):
    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


class ChatChunkChoice(Reply, frozen=True):
    index: int
    delta: Delta
    logprobs: ChatLogprobs | None = None
    finish_reason: Reason | None = None


class ChatChunk(_Answered, frozen=True):
    """An event's data, with `stream`. `usage` is there when asked for: null, but in the last one."""

    choices: list[ChatChunkChoice]
    usage: UsageReport | UnsetType | None = UNSET
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"


class TextLogprobs(Reply, frozen=True):
    """Token by token; `text_offset`: where in the text it begins, or the character does of which it is a later part.
    `top_logprobs` is null when none were asked for.
    """

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]


class TextChoice(Reply, frozen=True):
    """`finish_reason` is null in a stream's events, but in a choice's last one."""

    index: int
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: Literal["stop", "length"] | None = None


class TextCompletion(_Answered, frozen=True):
    """POST /v1/completions; with `stream`, an event's data, whose `usage` is as that of a ChatChunk."""

    choices: list[TextChoice]
    usage: UsageReport | UnsetType | None = UNSET
    object: Literal["text_completion"] = "text_completion"


class EmbeddingUsage(Reply, frozen=True):
    prompt_tokens: int
    total_tokens: int


class Embedding(Reply, frozen=True):
    """A vector of length 1: its numbers, or those in base64."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingList(Reply, frozen=True):
    """POST /v1/embeddings, in the order of the inputs."""

    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    object: Literal["list"] = "list"


class ModelCard(Reply, frozen=True):
    id: str
    created: int
    owned_by: str
    object: Literal["model"] = "model"


class ModelList(Reply, frozen=True):
    """GET /v1/models: the one that is served."""

    data: list[ModelCard]
    object: Literal["list"] = "list"
