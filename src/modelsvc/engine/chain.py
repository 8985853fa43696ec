"""llama.cpp's samplers: what a request's sampling asks for, as a chain of them."""

import secrets
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

from modelsvc.engine.library import lib
from modelsvc.engine.types import Sampling

REPEAT_TOKENS = 64  # what `repeat_penalty` looks back on
_COLDEST = 1e-3  # below it, logits divided by the temperature overflow


class Chain:
    """Freed by `close`, or with the last reference to it."""

    def __init__(self, links: Sequence[Any]) -> None:
        params = lib.llama_sampler_chain_default_params()
        params.no_perf = True
        self.handle = lib.llama_sampler_chain_init(params)
        for link in links:
            lib.llama_sampler_chain_add(self.handle, link)
        self.close = weakref.finalize(self, lib.llama_sampler_free, self.handle)

    def give(self) -> Any:
        """The handle, for another chain, which frees it then."""
        self.close.detach()
        return self.handle

    def accept(self, token: int) -> None:
        lib.llama_sampler_accept(self.handle, token)


class Draws(Chain):
    """A request's whole sampling but its grammar, without the links that would change nothing."""

    def __init__(self, sampling: Sampling, vocabulary: int, context_tokens: int, prompt: Sequence[int]) -> None:
        weights = Chain([*_biases(sampling, vocabulary), *_penalties(sampling, vocabulary, context_tokens, prompt)])
        choice = Chain(list(_choice(sampling)))
        super().__init__([weights.give(), choice.give()])
        self.weights, self.choice = weights.handle, choice.handle
        self.remembers = (sampling.frequency_penalty, sampling.presence_penalty, sampling.repeat_penalty) != (0, 0, 1)
        self.decisive = 1 if _greedy(sampling) else max(sampling.top_k, 0)
        """How many of the most probable tokens the choice looks at; 0: all."""


def bias(vocabulary: int, biases: Sequence[tuple[int, float]]) -> Any:
    entries = (lib.llama_logit_bias * len(biases))(*biases)
    return lib.llama_sampler_init_logit_bias(vocabulary, len(biases), entries)


def _biases(sampling: Sampling, vocabulary: int) -> Iterator[Any]:
    if sampling.logit_bias:
        yield bias(vocabulary, sampling.logit_bias)


def _penalties(sampling: Sampling, vocabulary: int, context_tokens: int, prompt: Sequence[int]) -> Iterator[Any]:
    frequency, presence = sampling.frequency_penalty, sampling.presence_penalty
    if frequency or presence:
        yield lib.llama_sampler_init_penalties(vocabulary, context_tokens, 1.0, frequency, presence)
    if sampling.repeat_penalty != 1:
        repeat = lib.llama_sampler_init_penalties(vocabulary, REPEAT_TOKENS, sampling.repeat_penalty, 0.0, 0.0)
        for token in prompt[-REPEAT_TOKENS:]:
            lib.llama_sampler_accept(repeat, token)
        yield repeat


def _choice(sampling: Sampling) -> Iterator[Any]:
    if _greedy(sampling):
        yield lib.llama_sampler_init_greedy()
        return
    if sampling.top_k > 0:
        yield lib.llama_sampler_init_top_k(sampling.top_k)
    if sampling.top_p < 1:
        yield lib.llama_sampler_init_top_p(sampling.top_p, 1)
    if sampling.min_p > 0:
        yield lib.llama_sampler_init_min_p(sampling.min_p, 1)
    if sampling.temperature != 1:
        yield lib.llama_sampler_init_temp(sampling.temperature)
    yield lib.llama_sampler_init_dist(secrets.randbits(32) if sampling.seed is None else sampling.seed & 0xFFFFFFFF)


def _greedy(sampling: Sampling) -> bool:
    return sampling.temperature < _COLDEST
