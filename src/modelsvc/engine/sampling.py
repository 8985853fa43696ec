"""How the next token is drawn: by llama.cpp's samplers, and a grammar that has the last word."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from modelsvc.engine.candidates import BEST, Candidates
from modelsvc.engine.chain import Chain, Draws
from modelsvc.engine.context import Context
from modelsvc.engine.errors import SamplingRefused
from modelsvc.engine.guide import Guide
from modelsvc.engine.library import lib
from modelsvc.engine.model import Model
from modelsvc.engine.types import Drawn, GenerationRequest, Logprob


class Choice(NamedTuple):
    token: int
    drawn: Drawn | None  # when the request asked for log-probabilities


class Samplers:
    """Makes each request's sampler, in any one thread; they are for the decoding thread then."""

    def __init__(self, model: Model, context_tokens: int) -> None:
        self._model = model
        self._context_tokens = context_tokens
        self._candidates = Candidates(model.tokens)

    def make(self, request: GenerationRequest, prompt: Sequence[int]) -> "Sampler":
        """Raises SamplingRefused."""
        sampling, model = request.sampling, self._model
        for token, _ in sampling.logit_bias:
            _check_token(token, model.tokens)
        draws = Draws(sampling, model.tokens, self._context_tokens, prompt)
        guide = None if sampling.grammar is None else Guide(model, sampling.grammar)
        weigher = None if request.logprobs is None else _Weigher(model, self._candidates, request.logprobs)
        return Sampler(draws, self._candidates, guide, weigher, model.is_end)


class Sampler:
    def __init__(
        self,
        draws: Draws,
        candidates: Candidates,
        guide: Guide | None,
        weigher: "_Weigher | None",
        is_end: Callable[[int], bool],
    ) -> None:
        self._draws = draws
        self._candidates = candidates
        self._guide = guide
        self._weigher = weigher
        self._is_end = is_end

    def draw(self, context: Context, index: int) -> Choice | None:
        """The token after the step's entry at `index`; None where the grammar allows none. Raises GrammarTooSlow."""
        token = self._guided(context, index, self._guide) if self._guide else self._free(context, index)
        if token is None:
            return None
        return Choice(token, self._weigher.weigh(context, index, token) if self._weigher else None)

    def close(self) -> None:
        self._draws.close()
        if self._guide:
            self._guide.close()

    def _free(self, context: Context, index: int) -> int:
        return int(lib.llama_sampler_sample(self._draws.handle, context.handle, index))

    def _guided(self, context: Context, index: int, guide: Guide) -> int | None:
        """Ask whether the token drawn freely is allowed, which is quick; only where it is not, ask about all.

        That keeps the odds, since the first draw has no say in the second.
        """
        token = self._propose(context, index)
        if token is None or not guide.allows(token):
            token = self._among_best(context, index, guide)
            token = self._among_all(context, index, guide) if token is None else token
        if token is not None and not self._is_end(token):
            guide.accept(token)
            self._draws.accept(token)
        return token

    def _propose(self, context: Context, index: int) -> int | None:
        if not self._draws.remembers:
            return self._free(context, index)
        self._candidates.fill(context, index)  # slower, but nothing is remembered of a token that may be refused
        return self._candidates.drawn_by(self._draws.handle)

    def _among_best(self, context: Context, index: int, guide: Guide) -> int | None:
        """The same draw as among all, but soon; None where too few of the best are allowed to tell."""
        if not 0 < self._draws.decisive <= BEST:
            return None
        self._candidates.fill(context, index)
        self._candidates.apply(self._draws.weights)
        self._candidates.keep_best()
        guide.limit(self._candidates)
        return (
            self._candidates.drawn_by(self._draws.choice) if self._candidates.left() >= self._draws.decisive else None
        )

    def _among_all(self, context: Context, index: int, guide: Guide) -> int | None:
        self._candidates.fill(context, index)
        guide.limit(self._candidates)
        return self._candidates.drawn_by(self._draws.handle)


class _Weigher:
    """Tells the model's own log-probabilities, whatever the sampling makes of them."""

    def __init__(self, model: Model, candidates: Candidates, count: int) -> None:
        self._model = model
        self._candidates = candidates
        self._count = count
        softmax, best = lib.llama_sampler_init_dist(0), lib.llama_sampler_init_top_k(max(count, 1))
        self._chain = Chain([softmax, best])

    def weigh(self, context: Context, index: int, token: int) -> Drawn:
        self._candidates.fill(context, index)
        self._candidates.apply(self._chain.handle)
        best = self._candidates.first(max(self._count, 1))
        _, logit, probability = best[0]  # the most probable one's, which cannot underflow
        whole = logit - math.log(probability)
        top = tuple(self._entry(other, logit - whole) for other, logit, _ in best[: self._count])
        return Drawn(self._entry(token, self._candidates.logits(context, index)[token] - whole), top)

    def _entry(self, token: int, logprob: float) -> Logprob:
        return Logprob(self._model.piece(token), min(logprob, 0.0))


def _check_token(token: int, tokens: int) -> None:
    if not 0 <= token < tokens:
        raise SamplingRefused(f"logit_bias names token {token}, but the model's are 0 to {tokens - 1}")
