"""One choice of a text completion while it comes about: what a stream tells of it, and in the end the whole. Pure."""

from collections.abc import Iterable, Sequence
from typing import Literal

from modelsvc.engine.types import Drawn, Event, Finished, Token
from modelsvc.worker.openai.logprobs import text_logprobs
from modelsvc.worker.openai.replies import TextChoice, TextLogprobs
from modelsvc.worker.openai.text_request import TextRequest


class TextChoiceSoFar:
    """`echo`: what its text begins with. `logprobs`: how many alternatives are told."""

    def __init__(self, index: int, *, echo: str = "", logprobs: int | None = None) -> None:
        self._index = index
        self._untold = echo
        self._logprobs = logprobs
        self._text = ""
        self._drawn: list[Drawn] = []
        self._length = False

    def take(self, event: Event) -> list[TextChoice]:
        """What a stream tells at that event."""
        told, self._untold = self._untold, ""
        match event:
            case Token(text, drawn):
                told += text
                self._drawn += drawn
                choice = TextChoice(index=self._index, text=told, logprobs=self._told(drawn))
            case Finished(reason):
                self._length = reason == "length"
                choice = TextChoice(index=self._index, text=told, finish_reason=self._reason)
        self._text += told
        return [choice]

    def whole(self) -> TextChoice:
        logprobs = self._told(self._drawn)
        return TextChoice(index=self._index, text=self._text, logprobs=logprobs, finish_reason=self._reason)

    @property
    def _reason(self) -> Literal["stop", "length"]:
        return "length" if self._length else "stop"

    def _told(self, drawn: Iterable[Drawn]) -> TextLogprobs | None:
        return None if self._logprobs is None else text_logprobs(drawn, with_top=self._logprobs > 0)


def text_choices(asked: TextRequest, echoes: Sequence[str]) -> list[TextChoiceSoFar]:
    """`echoes`: what the choices of each prompt begin with."""
    begun = [echo for echo in echoes for _ in range(asked.choices)]
    return [TextChoiceSoFar(index, echo=echo, logprobs=asked.logprobs) for index, echo in enumerate(begun)]
