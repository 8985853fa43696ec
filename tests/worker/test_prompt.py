"""Fitting a conversation into the context; here a message costs as many tokens as its text has letters."""

from collections.abc import Sequence

import pytest

from modelsvc.engine.errors import PromptTooLong
from modelsvc.engine.prompt import fit
from modelsvc.engine.types import Message


def encode(messages: Sequence[Message]) -> list[int]:
    return [ord(letter) for message in messages for letter in message.content]


def conversation(*contents: str) -> list[Message]:
    return [Message(("user", "assistant")[i % 2], content) for i, content in enumerate(contents)]


def text(tokens: list[int]) -> str:
    return "".join(map(chr, tokens))


def test_everything_stays_while_it_fits_beside_the_answer() -> None:
    assert text(fit(conversation("aaa", "bbb", "ccc"), 10, 100, encode)) == "aaabbbccc"


def test_the_oldest_turns_go_first_and_in_pairs() -> None:
    """What is left begins with a user's message."""
    messages = conversation("a" * 30, "b" * 30, "c" * 20, "d" * 20, "e" * 10)
    assert set(text(fit(messages, 10, 100, encode))) == {"c", "d", "e"}


def test_a_system_message_stays_when_the_oldest_turns_go() -> None:
    """It holds for the whole conversation."""
    messages = [Message("system", "s" * 10), *conversation("a" * 30, "b" * 30, "c" * 20, "d" * 20, "e" * 10)]
    assert "".join(dict.fromkeys(text(fit(messages, 10, 100, encode)))) == "scde"
    with pytest.raises(PromptTooLong):
        fit([Message("system", "s" * 99), *conversation("a")], 1, 100, encode)


def test_a_long_answer_takes_at_most_a_quarter_from_the_history() -> None:
    messages = conversation("a" * 30, "b" * 30, "c" * 10)
    assert len(fit(messages, 10_000, 100, encode)) == 70


def test_the_newest_message_may_squeeze_the_answer() -> None:
    assert len(fit(conversation("a", "b", "c" * 99), 50, 100, encode)) == 99


def test_a_message_that_leaves_no_room_is_refused_with_the_counts() -> None:
    with pytest.raises(PromptTooLong, match="100 tokens, but this model's maximum context length is 100"):
        fit(conversation("a", "b", "c" * 100), 1, 100, encode)
