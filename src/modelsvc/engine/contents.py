"""What inspecting a model file finds: what it holds, or why it cannot be served."""

from dataclasses import dataclass
from typing import Literal

from modelsvc.engine.errors import EngineError

Code = Literal[
    "model_missing",
    "model_not_a_file",
    "model_unreadable",
    "model_not_gguf",
    "model_truncated",
    "model_unsupported",
]


class Unusable(EngineError):
    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Contents:
    architecture: str
    description: str
    quantization: str  # of most of its tensors, such as Q4_K - Medium; empty when the file does not say
    size_bytes: int
    block_count: int
    embedding_length: int
    feed_forward_length: int
    head_count: int
    head_count_kv: int
    key_length: int
    value_length: int
    context_length: int
    vocabulary_size: int
    parameters: int
    chat_template: bool
