"""A vocabulary's logits as llama.cpp's samplers take them: one array that every draw fills anew."""

import ctypes
import math
from typing import Any

from modelsvc.engine.context import Context
from modelsvc.engine.library import lib

BEST = 256


class Candidates:
    """For the decoding thread only."""

    def __init__(self, tokens: int) -> None:
        self._tokens = tokens
        self._data = (lib.llama_token_data * tokens)()
        self._bytes = memoryview(self._data).cast("B")
        self._logits = self._bytes.cast("f")[1::3]  # each entry is a token, its logit and its probability
        self._bytes.cast("i")[0::3] = memoryview((ctypes.c_int32 * tokens)(*range(tokens))).cast("B").cast("i")
        self._fresh = bytes(self._bytes)  # samplers sort the entries
        self._array = lib.llama_token_data_array()
        self._best = lib.llama_sampler_init_top_k(BEST)

    def fill(self, context: Context, index: int) -> None:
        """All tokens, with what the model computed at the step's entry `index`."""
        self._bytes[:] = self._fresh
        self._logits[:] = memoryview(self.logits(context, index)).cast("B").cast("f")
        array = self._array
        array.data, array.size = ctypes.cast(self._data, lib.llama_token_data_p), self._tokens
        array.selected, array.sorted = -1, False

    def logits(self, context: Context, index: int) -> Any:
        """The context's own, by token; they change with its next step."""
        pointer = lib.llama_get_logits_ith(context.handle, index)
        return ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float * self._tokens)).contents

    def apply(self, sampler: Any) -> None:
        lib.llama_sampler_apply(sampler, ctypes.byref(self._array))

    def keep_best(self) -> None:
        """Only the `BEST` most probable ones."""
        self.apply(self._best)
        self._array.sorted = False  # nor will they be once a grammar has forbidden some

    def left(self) -> int:
        """How many are not forbidden."""
        logits: list[Any] = self._logits[: self._array.size].tolist()
        return len(logits) - logits.count(-math.inf)

    def drawn_by(self, sampler: Any) -> int | None:
        """The token that a sampler draws; None when it had no choice but a forbidden one."""
        self.apply(sampler)
        entry = self._data[self._array.selected]
        return None if entry.logit == -math.inf else entry.id

    def first(self, count: int) -> list[tuple[int, float, float]]:
        """The first of those that are left: token, logit, probability."""
        return [(entry.id, entry.logit, entry.p) for entry in self._data[: min(count, self._array.size)]]
