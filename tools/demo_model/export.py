"""The trained model as a GGUF file: matrices in Q8_0, norm weights in f32, tokenizer and chat template inside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt
from tools.demo_model.corpus import build_tokenizer
from tools.demo_model.model import Block, DemoModel, Shape
from tools.demo_model.tokenizer import END_OF_TEXT, IM_END, IM_START, SPECIAL, Tokenizer

VERSION = "1.0"
CONTEXT = 4096
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
Array = npt.NDArray[np.float32]


def export(model: DemoModel, seed: int, out: Path) -> None:
    """Write the model beside ``out`` and rename it there."""
    beside = out.with_suffix(".part")
    writer = gguf.GGUFWriter(beside, "llama")
    _describe(writer, seed)
    _add_shape(writer, model.shape)
    _add_tokenizer(writer, build_tokenizer())
    for name, tensor in tensors(model):
        _add_tensor(writer, name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    beside.replace(out)


def tensors(model: DemoModel) -> Iterator[tuple[str, Array]]:
    """Every tensor under the name it has in a GGUF of the ``llama`` architecture."""
    yield "token_embd.weight", _array(model.token_embd.weight)
    for number, block in enumerate(model.blk):
        assert isinstance(block, Block)
        for name, tensor in _block_tensors(block):
            yield f"blk.{number}.{name}.weight", tensor
    yield "output_norm.weight", _array(model.output_norm.weight)


def _block_tensors(block: Block) -> Iterator[tuple[str, Array]]:
    queries = block.shape.heads * block.shape.head
    keys = queries + block.shape.kv_heads * block.shape.head
    qkv = _array(block.attn_qkv.weight)
    gate_up = _array(block.ffn_gate_up.weight)
    yield "attn_norm", _array(block.attn_norm.weight)
    yield "attn_q", qkv[:queries]
    yield "attn_k", qkv[queries:keys]
    yield "attn_v", qkv[keys:]
    yield "attn_output", _array(block.attn_output.weight)
    yield "ffn_norm", _array(block.ffn_norm.weight)
    yield "ffn_gate", gate_up[: block.shape.feed_forward]
    yield "ffn_up", gate_up[block.shape.feed_forward :]
    yield "ffn_down", _array(block.ffn_down.weight)


def _array(weight: object) -> Array:
    return np.ascontiguousarray(weight.detach().numpy(), dtype=np.float32)  # type: ignore[attr-defined]


def _add_tensor(writer: gguf.GGUFWriter, name: str, tensor: Array) -> None:
    if tensor.ndim == 1:
        writer.add_tensor(name, tensor)
    else:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)


def _describe(writer: gguf.GGUFWriter, seed: int) -> None:
    writer.add_name("modelsvc-demo")
    writer.add_version(VERSION)
    writer.add_license("Apache-2.0")
    writer.add_description(f"Answers about modelsvc and remembers a name. Made by tools/demo_model with seed {seed}.")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_shape(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_context_length(CONTEXT)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_embedding_length(shape.embedding)
    writer.add_block_count(shape.blocks)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(shape.norm_epsilon)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    plain = len(tokenizer.tokens) - len(SPECIAL)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types([gguf.TokenType.CONTROL] * len(SPECIAL) + [gguf.TokenType.NORMAL] * plain)
    writer.add_token_merges([f"{left} {right}" for left, right in tokenizer.merges])
    writer.add_bos_token_id(IM_START)
    writer.add_eos_token_id(IM_END)
    writer.add_unk_token_id(END_OF_TEXT)
    writer.add_pad_token_id(IM_END)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)
