"""Draws without a decoding thread: one computed step, from which any sampler draws any number of tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from modelsvc.engine.context import Context
from modelsvc.engine.model import Model
from modelsvc.engine.output import Output
from modelsvc.engine.sampling import Choice, Sampler, Samplers
from modelsvc.engine.steps import Piece
from modelsvc.engine.types import EngineOptions, GenerationRequest, Sampling, TextPrompt


class Desk(NamedTuple):
    model: Model
    context: Context
    samplers: Samplers

    def sampler(self, prompt: tuple[int, ...] = (), logprobs: int | None = None, **sampling: Any) -> Sampler:
        request = GenerationRequest(TextPrompt(prompt), None, Sampling(**sampling), logprobs=logprobs)
        return self.samplers.make(request, prompt)

    def draw(self, sampler: Sampler) -> Choice | None:
        return sampler.draw(self.context, 0)

    def draws(self, count: int, **options: Any) -> list[int]:
        sampler = self.sampler(**options)
        return [choice.token for _ in range(count) if (choice := self.draw(sampler))]

    def answer(self, max_tokens: int, **options: Any) -> str | None:
        """The text up to an end; None when there is none so far."""
        sampler, output, text = self.sampler(**options), Output(), ""
        for _ in range(max_tokens):
            choice = self.draw(sampler)
            if choice is None or self.model.is_end(choice.token):
                rest = output.end()
                return text + (rest.text if rest else "")
            piece = output.push(self.model.piece(choice.token))
            text += piece.text if piece else ""
        return None

    def token(self, piece: bytes) -> int:
        return next(token for token in range(self.model.tokens) if self.model.piece(token) == piece)

    def logits(self) -> list[float]:
        return list(self.samplers._candidates.logits(self.context, 0))


@contextmanager
def desk(path: Path) -> Iterator[Desk]:
    model = Model.mapped(str(path), 0, lambda _: True)
    context = Context(model, EngineOptions(256, slots=1, threads=1, gpu_layers=0, kv_cache="f16", queue_limit=1))
    context.decode([Piece(1, 0, 0, tuple(model.tokenize("a", control=False)), samples=True)])
    try:
        yield Desk(model, context, Samplers(model, context.tokens))
    finally:
        context.close()
        model.close()
