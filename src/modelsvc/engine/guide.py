"""A request's grammar: which tokens may come next."""

import ctypes
import math
import time
from typing import Any

from modelsvc.engine.candidates import Candidates
from modelsvc.engine.chain import Chain, bias
from modelsvc.engine.errors import GrammarTooSlow, SamplingRefused
from modelsvc.engine.library import lib
from modelsvc.engine.model import Model

GRAMMAR_BYTES = 1 << 18
# Of the decoding thread's processor time. What a grammar has to follow at once can multiply with each token; asking
# about all tokens takes some 400 times as long as asking about one.
ASK_S = 0.0005
ACCEPT_S = 0.02


class Guide:
    """Asked by the decoding thread. llama.cpp ends the process when it is told a token that it has not allowed."""

    def __init__(self, model: Model, grammar: str) -> None:
        """Raises SamplingRefused. Takes milliseconds for a large grammar, so not for the decoding thread."""
        # Their spellings would do for the grammar, but they put nothing into the answer.
        silent = [(token, -math.inf) for token in model.control_tokens if not model.is_end(token)]
        self._chain = Chain([_compiled(model, grammar), bias(model.tokens, silent)])
        self._one = lib.llama_token_data()
        self._array = lib.llama_token_data_array(ctypes.pointer(self._one), 1, -1, False)
        self.close = self._chain.close

    def allows(self, token: int) -> bool:
        """An end of generation is allowed where the grammar may end. Raises GrammarTooSlow."""
        took = self._ask(token)
        if took > ASK_S and (took := self._ask(token)) > ASK_S:  # twice, since anything may disturb it once
            raise _too_slow(took)
        return bool(self._one.logit == 0)

    def _ask(self, token: int) -> float:
        self._one.id, self._one.logit = token, 0.0
        began = time.thread_time()
        lib.llama_sampler_apply(self._chain.handle, ctypes.byref(self._array))
        return time.thread_time() - began

    def limit(self, candidates: Candidates) -> None:
        """Leave no chance to any token that is not allowed. To be called when `allows` has just been."""
        candidates.apply(self._chain.handle)

    def accept(self, token: int) -> None:
        """Go on after a token that is allowed and no end. Raises GrammarTooSlow."""
        began = time.thread_time()
        self._chain.accept(token)
        if (took := time.thread_time() - began) > ACCEPT_S:
            raise _too_slow(took)


def _compiled(model: Model, grammar: str) -> Any:
    text = grammar.encode("utf-8", "replace")
    if len(text) > GRAMMAR_BYTES:
        raise SamplingRefused(
            f"the grammar has {len(text)} bytes, but at most {GRAMMAR_BYTES} are read: make it smaller"
        )
    compiled = lib.llama_sampler_init_grammar(model.vocabulary, text, b"root")
    if not text.strip() or b"\0" in text or not compiled:
        raise SamplingRefused("llama.cpp cannot read the grammar: it has to be GBNF with a rule named root")
    return compiled


def _too_slow(took: float) -> GrammarTooSlow:
    return GrammarTooSlow(
        f"the grammar takes too long to follow ({took * 1000:.1f} ms for one token): "
        "let what may come next in it differ sooner"
    )
