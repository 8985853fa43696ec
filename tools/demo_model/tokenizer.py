"""Byte-level BPE whose merges only grow words from their first letter.

Every merge joins a word's beginning with its next letter, so frequent words become one token while an unseen word,
above all a name, stays spelled in letters: copying it is then the same small task for every name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
END_OF_TEXT, IM_START, IM_END = range(3)
_WORD = re.compile(r"\d|'s|'t|'re|'ve|'m|'ll|'d| ?[^\W\d_]+| ?[^\s\w]+|\s+(?!\S)|\s+")
SPACE = "\u0120"
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def byte_letters() -> dict[int, str]:
    """GPT-2's printable letter for every byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (byte for byte in range(256) if byte not in plain)
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + at) for at, byte in enumerate(others)}


_LETTER = byte_letters()


def words(text: str) -> list[str]:
    """The text cut where merges must not reach across, in printable letters; a digit is always alone."""
    return ["".join(_LETTER[byte] for byte in word.encode()) for word in _WORD.findall(text)]


def learn_merges(texts: Iterable[str], count: int) -> list[tuple[str, str]]:
    """The ``count`` most frequent word beginnings, each as a merge of a shorter beginning and a letter."""
    seen = Counter(word for text in texts for word in words(text))
    beginnings: Counter[str] = Counter({SPACE + letter: 1 << 40 for letter in _CAPITALS + _CAPITALS.lower()})
    for word, times in seen.items():
        for length in range(2, len(word) + 1):
            beginnings[word[:length]] += times
    best = sorted(beginnings, key=lambda word: (-beginnings[word], len(word), word))[:count]
    best.sort(key=lambda word: (not word.startswith(SPACE), len(word), word))
    return [(word[:-1], word[-1]) for word in best]


class Tokenizer:
    """Encodes and decodes text; special tokens are only ever written as ids, never read from text."""

    def __init__(self, merges: Sequence[tuple[str, str]]) -> None:
        self.merges = list(merges)
        self.tokens = [*SPECIAL, *_LETTER.values(), *(left + right for left, right in merges)]
        self._ids = {token: number for number, token in enumerate(self.tokens)}
        self._ranks = {merge: rank for rank, merge in enumerate(merges)}
        self._word_ids = lru_cache(maxsize=100_000)(self._encode_word)

    def encode(self, text: str) -> list[int]:
        """Token ids of plain text."""
        return [number for word in words(text) for number in self._word_ids(word)]

    def _encode_word(self, word: str) -> tuple[int, ...]:
        parts = list(word)
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, len(self.merges)) for pair in pairwise(parts)]
            at = ranks.index(min(ranks))
            if ranks[at] == len(self.merges):
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self._ids[part] for part in parts)
