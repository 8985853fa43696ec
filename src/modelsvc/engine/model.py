"""A model file, loaded. Read only from then on, so any thread may use it (but for `piece`)."""

import ctypes
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from modelsvc.engine.errors import LoadFailed
from modelsvc.engine.library import captured_log, lib
from modelsvc.engine.load_log import failure_reason, weight_buffers
from modelsvc.engine.tool_syntax import MARKERS

_TEXT_BYTES = 256

OnProgress = Callable[[float], bool]  # 0..1; False aborts the load


class Model:
    def __init__(self, path: str, params: Any) -> None:
        """Raises LoadFailed with llama.cpp's own words."""
        began = time.monotonic()
        with captured_log() as log:
            handle = lib.llama_model_load_from_file(path.encode(), params)
        if not handle:
            raise LoadFailed(failure_reason(log, f"llama.cpp could not load {path}"))
        self.handle = handle
        self.vocabulary = lib.llama_model_get_vocab(handle)
        self.buffers = weight_buffers(line for _, line in log)
        self.load_seconds = time.monotonic() - began
        self._text = ctypes.create_string_buffer(_TEXT_BYTES)

    @classmethod
    def mapped(cls, path: str, gpu_layers: int | None, on_progress: OnProgress) -> "Model":
        """With its weights mapped from the file, not copied, so that processes share them."""
        params = lib.llama_model_default_params()
        params.load_mode = lib.LLAMA_LOAD_MODE_MMAP
        params.use_extra_bufts = False  # or every process copies the weights into repacked buffers of its own
        params.n_gpu_layers = _gpu_layers(gpu_layers)
        callback = lib.llama_progress_callback(lambda fraction, _: on_progress(fraction))
        params.progress_callback = callback
        return cls(path, params)

    @classmethod
    def without_weights(cls, path: str) -> "Model":
        """For looking at it: it cannot decode."""
        params = lib.llama_model_default_params()
        params.vocab_only = True
        return cls(path, params)

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
    def embeds(self) -> bool:
        """Whether the model was made for embeddings, and tells them by its last token, as those that can answer do.

        A recurrent one cannot compute its last token again.
        """
        pooling = self.metadata(f"{self.metadata('general.architecture')}.pooling_type")
        return self.reusable and pooling == str(lib.LLAMA_POOLING_TYPE_LAST)

    @property
    def embedding_length(self) -> int:
        return int(lib.llama_model_n_embd_out(self.handle))

    @property
    def reusable(self) -> bool:
        """Whether a sequence in the cache can be cut and shared anywhere; a recurrent state has no places in it."""
        return not (lib.llama_model_is_recurrent(self.handle) or lib.llama_model_is_hybrid(self.handle))

    @property
    def window(self) -> int:
        """How many tokens some of its blocks look back on at most; 0 where all of them look back on everything."""
        return int(lib.llama_model_n_swa(self.handle))

    @property
    def begin(self) -> int | None:
        """The token every prompt starts with, if the vocabulary wants one."""
        return int(lib.llama_vocab_bos(self.vocabulary)) if lib.llama_vocab_get_add_bos(self.vocabulary) else None

    def begin_text(self) -> str:
        return self._token_text(lib.llama_vocab_bos(self.vocabulary))

    def end_text(self) -> str:
        return self._token_text(lib.llama_vocab_eos(self.vocabulary))

    @cached_property
    def tokens(self) -> int:
        """How many there are in the vocabulary."""
        return int(lib.llama_vocab_n_tokens(self.vocabulary))

    @cached_property
    def control_tokens(self) -> list[int]:
        """Those that have a meaning instead of a text."""
        control = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
        return [token for token in range(self.tokens) if lib.llama_vocab_get_attr(self.vocabulary, token) & control]

    def control_texts(self) -> list[str]:
        """The spellings that the tokenizer would turn into control tokens."""
        return [text for token in self.control_tokens if (text := self._token_text(token))]

    def tokenize(self, text: str, *, control: bool, framed: bool = False) -> list[int]:
        """Tokens of `text`; `control` says whether spellings of control tokens become those.

        `framed`: with the tokens at both ends that the vocabulary wants around a whole text.
        """
        data = text.encode("utf-8", "replace")
        tokens = (lib.llama_token * (len(data) + 8))()
        count = lib.llama_tokenize(self.vocabulary, data, len(data), tokens, len(tokens), framed, control)
        return list(tokens[:count])

    def piece(self, token: int) -> bytes:
        """A token's bytes, none for a control token, unless it marks a call. For the decoding thread only."""
        told = token in self._markers
        count = lib.llama_token_to_piece(self.vocabulary, token, self._text, _TEXT_BYTES, 0, told)
        if count < 0:
            self._text = ctypes.create_string_buffer(-count)
            count = lib.llama_token_to_piece(self.vocabulary, token, self._text, -count, 0, told)
        return self._text.raw[:count]

    def spelling(self, token: int) -> bytes:
        """A token's bytes, a control token's name too. For any thread."""
        size = -lib.llama_token_to_piece(self.vocabulary, token, None, 0, 0, True)
        said = ctypes.create_string_buffer(max(size, 1))
        count = lib.llama_token_to_piece(self.vocabulary, token, said, size, 0, True)
        return said.raw[: max(count, 0)]

    def text(self, tokens: Sequence[int]) -> str:
        """What these tokens say, control tokens among them."""
        given = (lib.llama_token * len(tokens))(*tokens)
        size = -lib.llama_detokenize(self.vocabulary, given, len(tokens), None, 0, False, True)
        said = ctypes.create_string_buffer(max(size, 1))
        count = lib.llama_detokenize(self.vocabulary, given, len(tokens), said, size, False, True)
        return said.raw[: max(count, 0)].decode("utf-8", "replace")

    @cached_property
    def _markers(self) -> frozenset[int]:
        """The tokens that are one marker of a tool's call."""
        found = [self.tokenize(text, control=True) for text in MARKERS]
        return frozenset(tokens[0] for tokens in found if len(tokens) == 1)

    def is_end(self, token: int) -> bool:
        return bool(lib.llama_vocab_is_eog(self.vocabulary, token))

    def _token_text(self, token: int) -> str:
        text = lib.llama_vocab_get_text(self.vocabulary, token) if token >= 0 else None
        return text.decode("utf-8", "replace") if text else ""


def _gpu_layers(wanted: int | None) -> int:
    if wanted is not None:
        return wanted
    return -1 if lib.llama_supports_gpu_offload() else 0
