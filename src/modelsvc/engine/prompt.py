"""Fit a conversation into the context. Pure: counting is a function it is given."""

from bisect import bisect_left
from collections.abc import Callable, Sequence

from modelsvc.engine.errors import PromptTooLong
from modelsvc.engine.types import Message

Encode = Callable[[Sequence[Message]], list[int]]


def fit(messages: Sequence[Message], max_tokens: int, context_tokens: int, encode: Encode) -> list[int]:
    """The prompt's tokens, without the oldest turns that do not fit beside the answer.

    A system message at the begin stays, and so does the newest message. They may squeeze the answer, but not out: with
    no room for one token the prompt is refused.
    Room is kept for `max_tokens`, though never more than a quarter of the context: history is worth more than that.
    """
    whole = encode(messages)
    limit = context_tokens - min(max_tokens, context_tokens // 4)
    if len(whole) <= limit:
        return whole
    head = messages[:1] if messages[0].role == "system" else ()
    starts = turn_starts(messages)

    def since(start: int) -> list[int]:
        return encode([*head, *messages[max(start, len(head)) :]])

    first = bisect_left(starts, True, key=lambda start: len(since(start)) <= limit)
    tokens = since(starts[min(first, len(starts) - 1)])
    if len(tokens) >= context_tokens:
        raise PromptTooLong(len(tokens), context_tokens)
    return tokens


def turn_starts(messages: Sequence[Message]) -> list[int]:
    """Where the conversation may be cut: before a user's message, so that the roles still alternate."""
    return [index for index, message in enumerate(messages) if message.role == "user"] or [0]
