"""How the next token is drawn: llama.cpp's sampler chain, one per request."""

import secrets
from typing import Any

from modelsvc.engine.context import Context
from modelsvc.engine.library import lib
from modelsvc.engine.types import Sampling


class Sampler:
    def __init__(self, sampling: Sampling) -> None:
        params = lib.llama_sampler_chain_default_params()
        params.no_perf = True
        self._chain = lib.llama_sampler_chain_init(params)
        for link in _links(sampling):
            lib.llama_sampler_chain_add(self._chain, link)

    def draw(self, context: Context, index: int) -> int:
        """The token after the step's entry at `index`."""
        return int(lib.llama_sampler_sample(self._chain, context.handle, index))

    def close(self) -> None:
        lib.llama_sampler_free(self._chain)


def _links(sampling: Sampling) -> list[Any]:
    if sampling.temperature == 0:
        return [lib.llama_sampler_init_greedy()]
    return [
        lib.llama_sampler_init_top_k(sampling.top_k),
        lib.llama_sampler_init_top_p(sampling.top_p, 1),
        lib.llama_sampler_init_min_p(sampling.min_p, 1),
        lib.llama_sampler_init_temp(sampling.temperature),
        lib.llama_sampler_init_dist(secrets.randbits(32) if sampling.seed is None else sampling.seed & 0xFFFFFFFF),
    ]
