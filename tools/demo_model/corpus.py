"""Conversations as rows of token ids, several to a row, with the marks that training needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

from tools.demo_model.data import Message, endless
from tools.demo_model.tokenizer import END_OF_TEXT, IM_END, IM_START, SPECIAL, Tokenizer, learn_merges

MERGES = Path(__file__).with_name("merges.txt")
VOCABULARY = 768
TOKENIZER_SEED = 1
TOKENIZER_SAMPLE = 6000
LONGEST_GAP = 160
OPEN_ROWS = 12


class Row(NamedTuple):
    """Equally long lists: token ids, positions, number of the conversation, and whether the token is to be learned."""

    ids: list[int]
    positions: list[int]
    owners: list[int]
    learned: list[bool]


def build_tokenizer() -> Tokenizer:
    """The demo model's tokenizer, from its committed merges, so that changed data do not change the vocabulary."""
    lines = MERGES.read_text(encoding="utf-8").splitlines()
    return Tokenizer([(left, right) for left, right in (line.split(" ") for line in lines)])


def write_merges() -> None:
    """Learn the merges from the data as they are now; a model trained before cannot be used with them."""
    conversations = endless(TOKENIZER_SEED)
    sample = (next(conversations) for _ in range(TOKENIZER_SAMPLE))
    texts = (text for messages in sample for message in messages for text in (message.role, message.content))
    merges = learn_merges(texts, VOCABULARY - len(SPECIAL) - 256)
    MERGES.write_text("".join(f"{left} {right}\n" for left, right in merges), encoding="utf-8")


def encode_message(tokenizer: Tokenizer, message: Message) -> tuple[list[int], list[bool]]:
    """A message in ChatML; only what the assistant itself has to say is learned."""
    head = [IM_START, *tokenizer.encode(f"{message.role}\n")]
    body = [*tokenizer.encode(message.content), IM_END]
    tail = tokenizer.encode("\n")
    spoken = message.role == "assistant"
    return head + body + tail, [False] * len(head) + [spoken] * len(body) + [False] * len(tail)


def encode_conversation(tokenizer: Tokenizer, messages: Iterable[Message], owner: int, rng: Random) -> Row:
    """One conversation. In a third of them positions jump between messages, so that far apart is learned cheaply."""
    row = Row([], [], [], [])
    gap = LONGEST_GAP if rng.random() < 0.33 else 0
    position = 0
    for message in messages:
        ids, learned = encode_message(tokenizer, message)
        row.ids.extend(ids)
        row.positions.extend(range(position, position + len(ids)))
        row.owners.extend([owner] * len(ids))
        row.learned.extend(learned)
        position += len(ids) + rng.randint(0, gap)
    return row


def rows(tokenizer: Tokenizer, length: int, seed: int) -> Iterator[Row]:
    """Rows of exactly ``length`` tokens, filled with whole conversations and padded; too long ones are left out."""
    rng = Random(seed + 1)
    pending: list[Row] = []
    for owner, messages in enumerate(endless(seed), start=1):
        new = encode_conversation(tokenizer, messages, owner, rng)
        if len(new.ids) > length:
            continue
        fitting = [row for row in pending if len(row.ids) + len(new.ids) <= length]
        if fitting:
            _append(max(fitting, key=lambda row: len(row.ids)), new)
        else:
            pending.append(new)
        if len(pending) > OPEN_ROWS:
            fullest = max(range(len(pending)), key=lambda at: len(pending[at].ids))
            yield _padded(pending.pop(fullest), length)


def _append(row: Row, more: Row) -> None:
    row.ids.extend(more.ids)
    row.positions.extend(more.positions)
    row.owners.extend(more.owners)
    row.learned.extend(more.learned)


def _padded(row: Row, length: int) -> Row:
    missing = length - len(row.ids)
    return Row(
        row.ids + [END_OF_TEXT] * missing,
        row.positions + [0] * missing,
        row.owners + [0] * missing,
        row.learned + [False] * missing,
    )
