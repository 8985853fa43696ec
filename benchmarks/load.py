"""What the clients of a benchmark ask: how many they are, how long prompts and answers are, what prompts share."""

from dataclasses import dataclass
from random import Random
from string import ascii_lowercase
from typing import Any

from loadtest.words import words


@dataclass(frozen=True, slots=True)
class Load:
    """Closed loop: each of `clients` sends its next request when its last answer is complete, `requests` in all.

    Prompts are random words, so that they share little more than the template's head. A
    `system_words` long system prompt comes before each; it is the same for all, or when `apart` the same but for its
    first word, so that none of it can be reused. Prompts depend on `seed` alone. `never` are tokens that must not be
    drawn: those that end an answer.
    """

    clients: int = 8
    requests: int = 16
    prompt_words: int = 48
    tokens: int = 32
    system_words: int = 0
    apart: bool = False
    never: tuple[int, ...] = ()
    seed: str = "0"

    def body(self, number: int) -> dict[str, Any]:
        """The request of that number, from 0, without its `model`."""
        asked: dict[str, Any] = {
            "messages": self._messages(number),
            "max_tokens": self.tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return asked | ({"logit_bias": {str(token): -100 for token in self.never}} if self.never else {})

    def _messages(self, number: int) -> list[dict[str, str]]:
        own = Random(f"{self.seed}/{number}")
        said = [{"role": "user", "content": words(own, self.prompt_words)}]
        if not self.system_words:
            return said
        shared = words(Random(self.seed), self.system_words)
        return [{"role": "system", "content": f"{name(own)} {shared}" if self.apart else shared}, *said]


def name(random: Random) -> str:
    """A word that no other prompt begins with, most likely."""
    return "".join(random.choices(ascii_lowercase, k=5))
