"""Where sequences are computed. For the decoding thread only."""

import math
from collections.abc import Iterable
from typing import Any

from modelsvc.engine.cells import Copy, Edit, Trim
from modelsvc.engine.errors import DecodeFailed, LoadFailed
from modelsvc.engine.library import captured_log, lib
from modelsvc.engine.load_log import failure_reason
from modelsvc.engine.model import Model
from modelsvc.engine.steps import Piece
from modelsvc.engine.types import EngineOptions, ModelInfo

# What one step computes at most. More cost compute buffers (memory) for little speed.
STEP_TOKENS = 256
# Lines of the cache beside those of running requests, for what ended ones left. Each costs two rows of logits, and
# would cost a recurrent model, which cannot share what they hold, a whole state.
SPARE_LINES = 8


class Context:
    def __init__(self, model: Model, options: EngineOptions) -> None:
        params = _context_params(model, options)
        with captured_log() as log:
            self.handle = lib.llama_init_from_model(model.handle, params)
        if not self.handle:
            raise LoadFailed(failure_reason(log, "llama.cpp could not create a context: lower model.context_tokens"))
        self.tokens = int(lib.llama_n_ctx(self.handle))
        self._embedding_length = model.embedding_length
        self.lines = params.n_seq_max
        self._memory = lib.llama_get_memory(self.handle)
        self._batch = lib.llama_batch_init(STEP_TOKENS, 0, 1)

    def close(self) -> None:
        lib.llama_batch_free(self._batch)
        lib.llama_free(self.handle)

    def edit(self, edits: Iterable[Edit]) -> None:
        for edit in edits:
            match edit:
                case Copy(source, target, count):
                    lib.llama_memory_seq_cp(self._memory, source, target, 0, count)
                case Trim(line, keep):
                    lib.llama_memory_seq_rm(self._memory, line, keep, -1)

    def decode(self, pieces: Iterable[Piece]) -> list[int]:
        """Compute a step; for each piece that samples, the index of its logits. Raises DecodeFailed."""
        batch, at, samples = self._batch, 0, []
        for piece in pieces:
            for position, token in enumerate(piece.tokens, piece.start):
                batch.token[at] = token
                batch.pos[at] = position
                batch.n_seq_id[at] = 1
                batch.seq_id[at][0] = piece.line
                batch.logits[at] = False
                at += 1
            if piece.samples:
                batch.logits[at - 1] = True
                samples.append(at - 1)
        batch.n_tokens = at
        if code := lib.llama_decode(self.handle, batch):
            raise DecodeFailed(f"llama.cpp could not decode {at} tokens (code {code})")
        return samples

    def embed(self, piece: Piece) -> tuple[float, ...]:
        """The embedding of a sequence whose last piece was just computed: its last token again, for what is beneath
        the logits. A vector of length 1. Raises DecodeFailed.
        """
        last = Piece(piece.id, piece.line, piece.start + len(piece.tokens) - 1, piece.tokens[-1:], samples=True)
        self.edit([Trim(last.line, last.start)])
        lib.llama_set_embeddings(self.handle, True)
        try:
            self.decode([last])
            vector = lib.llama_get_embeddings_seq(self.handle, last.line)[: self._embedding_length]
        finally:
            lib.llama_set_embeddings(self.handle, False)
        length = math.hypot(*vector) or 1.0
        return tuple(value / length for value in vector)

    def use_threads(self, count: int) -> None:
        lib.llama_set_n_threads(self.handle, count, count)


def _context_params(model: Model, options: EngineOptions) -> Any:
    params = lib.llama_context_default_params()
    params.n_ctx = options.context_tokens
    params.n_batch = params.n_ubatch = STEP_TOKENS
    params.n_seq_max = options.slots + (SPARE_LINES if model.reusable else 0)
    params.n_outputs_max = params.n_seq_max  # the least it may be: its compute buffer is of vocabulary x outputs
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
        embeds=model.embeds,
    )
