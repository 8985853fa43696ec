"""What llama.cpp tells of texts in a context that does nothing else.

By its functions alone: to import the whole package llama_cpp beside ours would take the log away from ours.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelsvc.engine.library import captured_log, lib

TOKENS = 2048  # of the longest text


def library_vectors(path: Path, texts: Sequence[str]) -> list[list[float]]:
    """Of length 1."""
    with captured_log(), _context(path) as (model, context):
        return [_vector(model, context, text.encode()) for text in texts]


def alike(some: Sequence[float], others: Sequence[float]) -> float:
    """1 for vectors of the same direction; of length 1 both."""
    return float(sum(one * other for one, other in zip(some, others, strict=True)))


@contextmanager
def _context(path: Path) -> Iterator[tuple[Any, Any]]:
    model = lib.llama_model_load_from_file(str(path).encode(), lib.llama_model_default_params())
    params = lib.llama_context_default_params()
    params.n_ctx = params.n_batch = params.n_ubatch = TOKENS
    params.embeddings = True
    context = lib.llama_init_from_model(model, params)
    try:
        yield model, context
    finally:
        lib.llama_free(context)
        lib.llama_model_free(model)


def _vector(model: Any, context: Any, text: bytes) -> list[float]:
    lib.llama_memory_clear(lib.llama_get_memory(context), True)
    tokens = (lib.llama_token * TOKENS)()
    count = lib.llama_tokenize(lib.llama_model_get_vocab(model), text, len(text), tokens, TOKENS, True, False)
    assert lib.llama_decode(context, lib.llama_batch_get_one(tokens, count)) == 0
    vector = lib.llama_get_embeddings_seq(context, 0)[: lib.llama_model_n_embd_out(model)]
    return [value / math.hypot(*vector) for value in vector]
