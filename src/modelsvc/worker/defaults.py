"""What a release gives to requests that do not say it themselves. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelsvc.engine.types import Message
from modelsvc.worker.release import Settings

NEUTRAL: Mapping[str, Any] = {"top_p": 1.0, "top_k": 0, "min_p": 0.0}


@dataclass(frozen=True, slots=True)
class Defaults:
    """`truncation`: those of top_p, top_k and min_p that the release names; with one, the others are neutral."""

    system_prompt: str = ""
    temperature: float | None = None
    truncation: Mapping[str, Any] = field(default_factory=dict)
    repeat_penalty: float = 1.0

    def with_system_prompt(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages of a chat, with the system prompt before them where they have none."""
        if not self.system_prompt or any(message.role == "system" for message in messages):
            return tuple(messages)
        return (Message("system", self.system_prompt), *messages)

    def temperature_or(self, usual: float) -> float:
        return usual if self.temperature is None else self.temperature

    def truncation_or(self, usual: Mapping[str, Any]) -> Mapping[str, Any]:
        """How the unlikely tokens are cut off."""
        return {**NEUTRAL, **self.truncation} if self.truncation else usual


def defaults_of(settings: Settings) -> Defaults:
    named = {name: value for name in NEUTRAL if (value := getattr(settings, name)) != "auto"}
    temperature = None if settings.temperature == "auto" else settings.temperature
    return Defaults(settings.system_prompt, temperature, named, settings.repeat_penalty)
