"""Prompts of a known length."""

from random import Random

# One token each, in real vocabularies and in that of tools/random_gguf.py.
WORDS = "to of in is it he we me my by do go if no on or so up us as at be an am"


def words(random: Random, count: int) -> str:
    return " ".join(random.choices(WORDS.split(), k=count))
