"""A model and its context, as thin as can be over llama.cpp. Nothing here decides.

`Model` may be used from any thread (it is read only after loading); `Context` only by the one thread that decodes.
"""

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from modelsvc.engine.errors import DecodeFailed, LoadFailed
from modelsvc.engine.library import captured_log, lib
from modelsvc.engine.load_log import WeightBuffers, failure_reason, weight_buffers
from modelsvc.engine.types import EngineOptions, ModelInfo

# Physical batch: what one step computes at most. Larger ones cost compute buffers (memory) for little speed.
STEP_TOKENS = 256
_TEXT_BYTES = 256

OnProgress = Callable[[float], bool]  # 0..1; False aborts the load


class Entry(NamedTuple):
    """One token of a step, at its place in its sequence."""

    token: int
    position: int
    sequence: int
    samples: bool


class Model:
    def __init__(self, path: str, gpu_layers: int | None, on_progress: OnProgress) -> None:
        began = time.monotonic()
        with captured_log() as log:
            handle = _load(path, gpu_layers, on_progress)
        if not handle:
            raise LoadFailed(failure_reason(log, f"llama.cpp could not load {path}"))
        self.handle = handle
        self.vocabulary = lib.llama_model_get_vocab(handle)
        self.buffers: WeightBuffers = weight_buffers(line for _, line in log)
        self.load_seconds = time.monotonic() - began
        self._text = ctypes.create_string_buffer(_TEXT_BYTES)

    def close(self) -> None:
        lib.llama_model_free(self.handle)

    def metadata(self, key: str) -> str | None:
        size = lib.llama_model_meta_val_str(self.handle, key.encode(), None, 0)
        if size < 0:
            return None
        value = ctypes.create_string_buffer(size + 1)
        lib.llama_model_meta_val_str(self.handle, key.encode(), value, size + 1)
        return value.value.decode("utf-8", "replace")

    @property
    def description(self) -> str:
        text = ctypes.create_string_buffer(_TEXT_BYTES)
        lib.llama_model_desc(self.handle, text, _TEXT_BYTES)
        return text.value.decode("utf-8", "replace")

    @property
    def chat_template(self) -> str | None:
        template = lib.llama_model_chat_template(self.handle, None)
        return template.decode("utf-8", "replace") if template else None

    @property
    def can_answer(self) -> bool:
        return bool(lib.llama_model_has_decoder(self.handle)) and not lib.llama_model_has_encoder(self.handle)

    @property
    def begin(self) -> int | None:
        """The token every prompt starts with, if the vocabulary wants one."""
        return int(lib.llama_vocab_bos(self.vocabulary)) if lib.llama_vocab_get_add_bos(self.vocabulary) else None

    def begin_text(self) -> str:
        return self._token_text(lib.llama_vocab_bos(self.vocabulary))

    def end_text(self) -> str:
        return self._token_text(lib.llama_vocab_eos(self.vocabulary))

    def control_texts(self) -> list[str]:
        """The spellings that the tokenizer would turn into control tokens."""
        control = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
        tokens = range(lib.llama_vocab_n_tokens(self.vocabulary))
        found = [token for token in tokens if lib.llama_vocab_get_attr(self.vocabulary, token) & control]
        return [text for token in found if (text := self._token_text(token))]

    def tokenize(self, text: str, *, control: bool) -> list[int]:
        """Tokens of `text`; `control` says whether spellings of control tokens become those."""
        data = text.encode("utf-8", "replace")
        tokens = (lib.llama_token * (len(data) + 8))()
        count = lib.llama_tokenize(self.vocabulary, data, len(data), tokens, len(tokens), False, control)
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """A token's bytes. For the decoding thread only."""
        count = lib.llama_token_to_piece(self.vocabulary, token, self._text, _TEXT_BYTES, 0, False)
        if count < 0:
            self._text = ctypes.create_string_buffer(-count)
            count = lib.llama_token_to_piece(self.vocabulary, token, self._text, -count, 0, False)
        return self._text.raw[:count]

    def is_end(self, token: int) -> bool:
        return bool(lib.llama_vocab_is_eog(self.vocabulary, token))

    def _token_text(self, token: int) -> str:
        text = lib.llama_vocab_get_text(self.vocabulary, token) if token >= 0 else None
        return text.decode("utf-8", "replace") if text else ""


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

    def forget(self, sequence: int) -> None:
        lib.llama_memory_seq_rm(self._memory, sequence, -1, -1)


def _load(path: str, gpu_layers: int | None, on_progress: OnProgress) -> Any:
    params = lib.llama_model_default_params()
    params.load_mode = lib.LLAMA_LOAD_MODE_MMAP
    params.use_extra_bufts = False  # or every process copies the weights into repacked buffers of its own
    params.n_gpu_layers = _gpu_layers(gpu_layers)
    callback = lib.llama_progress_callback(lambda fraction, _: on_progress(fraction))
    params.progress_callback = callback
    return lib.llama_model_load_from_file(path.encode(), params)


def _gpu_layers(wanted: int | None) -> int:
    if wanted is not None:
        return wanted
    return -1 if lib.llama_supports_gpu_offload() else 0


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
        load_seconds=round(model.load_seconds, 3),
    )
