"""What llama.cpp makes of a model file without its weights: does it know the architecture, and can it answer?"""

import json
from typing import Any

from modelsvc.engine.contents import Contents, Unusable
from modelsvc.engine.errors import LoadFailed
from modelsvc.engine.library import lib
from modelsvc.engine.model import Model


def read_contents(path: str, size_bytes: int) -> Contents:
    """Raises Unusable."""
    try:
        model = Model.without_weights(path)
    except LoadFailed as error:
        raise Unusable("model_unsupported", f"llama.cpp cannot load {path}: {error}; choose another model") from error
    try:
        _check_serves(path, model)
        return _contents(model, size_bytes)
    finally:
        model.close()


def _check_serves(path: str, model: Model) -> None:
    architecture = model.metadata("general.architecture")
    if (kind := model.metadata("general.type") or "model") != "model":
        _refuse(path, f"holds a {kind}, not a whole model: give the model's own file")
    if not model.can_answer or model.metadata(f"{architecture}.attention.causal") == "false":
        _refuse(path, "holds a model that does not generate text: choose a text-generation model")
    if not lib.llama_vocab_n_tokens(model.vocabulary):
        _refuse(path, "has no vocabulary: convert the model again, with its tokenizer")


def _refuse(path: str, why: str) -> None:
    raise Unusable("model_unsupported", f"{path} {why}")


def _contents(model: Model, size_bytes: int) -> Contents:
    architecture = model.metadata("general.architecture") or ""

    def number(key: str, default: int = 0) -> int:
        return _largest(model.metadata(f"{architecture}.{key}"), default)

    heads = number("attention.head_count")
    head_length = number("embedding_length") // max(heads, 1)
    return Contents(
        architecture=architecture,
        description=f"{model.metadata('general.name') or architecture} {_quantization(model)}".strip(),
        quantization=_quantization(model),
        size_bytes=size_bytes,
        block_count=number("block_count"),
        embedding_length=number("embedding_length"),
        feed_forward_length=number("feed_forward_length"),
        head_count=heads,
        head_count_kv=number("attention.head_count_kv", heads),
        key_length=number("attention.key_length", head_length),
        value_length=number("attention.value_length", head_length),
        context_length=number("context_length"),
        vocabulary_size=lib.llama_vocab_n_tokens(model.vocabulary),
        parameters=lib.llama_model_n_params(model.handle),
        chat_template=model.chat_template is not None,
    )


def _largest(value: str | None, default: int) -> int:
    """A number, or the largest of a list with one for each block."""
    if value is None:
        return default
    found: Any = json.loads(value)
    return int(max(found, default=default)) if isinstance(found, list) else int(found)


def _quantization(model: Model) -> str:
    name = lib.llama_ftype_name(int(model.metadata("general.file_type") or 0))
    return name.decode() if name else ""
