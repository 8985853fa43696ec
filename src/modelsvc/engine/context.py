"""Where sequences are computed. For the decoding thread only."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from modelsvc.engine.errors import DecodeFailed, LoadFailed
from modelsvc.engine.library import captured_log, lib
from modelsvc.engine.load_log import failure_reason
from modelsvc.engine.model import Model
from modelsvc.engine.types import EngineOptions, ModelInfo

# Physical batch: what one step computes at most. Larger ones cost compute buffers (memory) for little speed.
STEP_TOKENS = 256


class Entry(NamedTuple):
    """One token of a step, at its place in its sequence."""

    token: int
    position: int
    sequence: int
    samples: bool


class Context:
    def __init__(self, model: Model, options: EngineOptions) -> None:
        with captured_log() as log:
            self.handle = lib.llama_init_from_model(model.handle, _context_params(options))
        if not self.handle:
            raise LoadFailed(failure_reason(log, "llama.cpp could not create a context: lower model.context_tokens"))
        self.tokens = int(lib.llama_n_ctx(self.handle))
        self._memory = lib.llama_get_memory(self.handle)
        self._batch = lib.llama_batch_init(STEP_TOKENS + options.slots, 0, 1)

    def close(self) -> None:
        lib.llama_batch_free(self._batch)
        lib.llama_free(self.handle)

    def decode(self, entries: Sequence[Entry]) -> None:
        batch = self._batch
        batch.n_tokens = len(entries)
        for i, (token, position, sequence, samples) in enumerate(entries):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = samples
        code = lib.llama_decode(self.handle, batch)
        if code:
            raise DecodeFailed(f"llama.cpp could not decode {len(entries)} tokens (code {code})")

    def use_threads(self, count: int) -> None:
        lib.llama_set_n_threads(self.handle, count, count)

    def forget(self, sequence: int) -> None:
        lib.llama_memory_seq_rm(self._memory, sequence, -1, -1)


def _context_params(options: EngineOptions) -> Any:
    params = lib.llama_context_default_params()
    params.n_ctx = options.context_tokens
    params.n_batch = STEP_TOKENS + options.slots
    params.n_ubatch = STEP_TOKENS
    params.n_seq_max = options.slots
    params.n_outputs_max = options.slots  # logits only where a token is drawn: a compute buffer of vocabulary x slots
    params.n_threads = params.n_threads_batch = options.threads
    params.kv_unified = True
    params.no_perf = True
    params.type_k = params.type_v = lib.GGML_TYPE_Q8_0 if options.kv_cache == "q8_0" else lib.GGML_TYPE_F16
    if options.kv_cache == "q8_0":
        params.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_ENABLED  # llama.cpp quantises V only with it
    return params


def describe(model: Model, context: Context) -> ModelInfo:
    return ModelInfo(
        architecture=model.metadata("general.architecture") or "unknown",
        description=model.description,
        context_tokens=context.tokens,
        n_ctx_train=lib.llama_model_n_ctx_train(model.handle),
        mapped_bytes=model.buffers.mapped_bytes,
        copied_bytes=model.buffers.copied_bytes,
        repacked=model.buffers.repacked,
        device_bytes=model.buffers.device_bytes,
        load_seconds=round(model.load_seconds, 3),
    )
