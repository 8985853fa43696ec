"""Write a GGUF of any llama shape with random weights, for memory and speed work where answers do not matter.

The file loads, tokenizes and decodes like a real model of that shape and takes as many bytes; it only talks nonsense.
"""

from __future__ import annotations

import argparse
import ctypes
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

EXAMPLE = "example: python tools/random_gguf.py --shape smollm2-1.7b --type Q4_K_M --out build/random-1.7b.gguf"
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
SMALLEST_VOCABULARY = len(SPECIAL) + 256
ROWS_AT_ONCE = 4096
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# Each type with the block length by which a matrix's rows must be divisible.
TYPES = {"F16": 1, "Q8_0": 32, "Q4_0": 32, "Q5_0": 32, "Q4_K_S": 256, "Q4_K_M": 256, "Q5_K_M": 256, "Q6_K": 256}


class ShapeError(ValueError):
    """The wanted shape is not one that a llama model can have."""


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ShapeError(otherwise)


@dataclass(frozen=True)
class Shape:
    """A llama model's dimensions; embeddings are tied. ``context`` is in tokens.

    ``pooling`` is llama.cpp's number for how a text's embedding is made of its tokens' (3: the last one's); 0 is none.
    """

    embedding: int = 64
    blocks: int = 2
    heads: int = 4
    kv_heads: int = 2
    feed_forward: int = 128
    vocabulary: int = 300
    context: int = 512
    rope_base: float = 10_000.0
    pooling: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            _require(field.name == "pooling" or getattr(self, field.name) > 0, f"{field.name} must be positive")
        _require(self.embedding % self.heads == 0, f"heads ({self.heads}) must divide embedding ({self.embedding})")
        _require(self.heads % self.kv_heads == 0, f"kv_heads ({self.kv_heads}) must divide heads ({self.heads})")
        _require(self.head % 2 == 0, f"embedding / heads ({self.head}) must be even")
        _require(self.vocabulary >= SMALLEST_VOCABULARY, f"vocabulary must be at least {SMALLEST_VOCABULARY}")

    @property
    def head(self) -> int:
        """Width of one attention head."""
        return self.embedding // self.heads

    def require_type(self, kind: str) -> None:
        """Raise ShapeError unless this shape's rows can be cut into the blocks of quantisation ``kind``."""
        _require(kind in TYPES, f"type must be one of {', '.join(TYPES)}")
        for name in ("embedding", "feed_forward"):
            length = getattr(self, name)
            _require(length % TYPES[kind] == 0, f"{name} ({length}) must be a multiple of {TYPES[kind]} for {kind}")


SHAPES = {
    "tiny": Shape(),
    "smollm2-1.7b": Shape(
        embedding=2048,
        blocks=24,
        heads=32,
        kv_heads=32,
        feed_forward=8192,
        vocabulary=49_152,
        context=8192,
        rope_base=130_000.0,
    ),
}


def write_random_gguf(shape: Shape, kind: str, seed: int, out: Path, template: str = CHAT_TEMPLATE) -> None:
    """Write the model to ``out``, whole or not at all; the same arguments give the same bytes."""
    shape.require_type(kind)
    out.parent.mkdir(parents=True, exist_ok=True)
    plain, small = (out.with_name(f".{out.name}.{os.getpid()}.{part}") for part in ("f16", "part"))
    try:
        _write_f16(shape, seed, plain, template)
        if kind == "F16":
            plain.replace(out)
        else:
            _quantise(plain, small, kind)
            small.replace(out)
    finally:
        plain.unlink(missing_ok=True)
        small.unlink(missing_ok=True)


def vocabulary(size: int) -> tuple[list[str], list[tuple[str, str]]]:
    """``size`` tokens of a byte-level BPE, and the merges that make all but the special ones and the bytes."""
    merges = list(islice(_merges(), size - SMALLEST_VOCABULARY))
    return [*SPECIAL, *_byte_letters(), *(left + right for left, right in merges)], merges


def tensor_shapes(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor's GGUF name and its (rows, columns), or (length,) for a norm, in file order."""
    yield "token_embd.weight", (shape.vocabulary, shape.embedding)
    for block in range(shape.blocks):
        for name, size in _block_shapes(shape).items():
            yield f"blk.{block}.{name}.weight", size
    yield "output_norm.weight", (shape.embedding,)


def _block_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    width, keys, wide = shape.embedding, shape.kv_heads * shape.head, shape.feed_forward
    return {
        "attn_norm": (width,),
        "attn_q": (width, width),
        "attn_k": (keys, width),
        "attn_v": (keys, width),
        "attn_output": (width, width),
        "ffn_norm": (width,),
        "ffn_gate": (wide, width),
        "ffn_up": (wide, width),
        "ffn_down": (width, wide),
    }


def _write_f16(shape: Shape, seed: int, out: Path, template: str) -> None:
    """One tensor at a time, so that memory holds only the largest one."""
    writer = gguf.GGUFWriter(out, "llama")
    _add_metadata(writer, shape, seed)
    writer.add_chat_template(template)
    for name, size in tensor_shapes(shape):
        kind = np.dtype(np.float32 if len(size) == 1 else np.float16)
        writer.add_tensor_info(name, size, kind, int(np.prod(size)) * kind.itemsize)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    rng = np.random.Generator(np.random.SFC64(seed))
    for _, size in tensor_shapes(shape):
        writer.write_tensor_data(_random_tensor(rng, size))
    writer.close()


def _random_tensor(rng: np.random.Generator, size: tuple[int, ...]) -> npt.NDArray[np.floating]:
    """Ones for a norm, else normal numbers of deviation 0.02."""
    if len(size) == 1:
        return np.ones(size, dtype=np.float32)
    tensor = np.empty(size, dtype=np.float16)
    for start in range(0, size[0], ROWS_AT_ONCE):
        rows = tensor[start : start + ROWS_AT_ONCE]
        rows[:] = rng.standard_normal(rows.shape, dtype=np.float32) * np.float32(0.02)
    return tensor


def _add_metadata(writer: gguf.GGUFWriter, shape: Shape, seed: int) -> None:
    writer.add_name("random weights")
    writer.add_description(f"Random weights of seed {seed}; for memory and speed measurements only.")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)  # llama.cpp corrects it when it quantises
    writer.add_context_length(shape.context)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_embedding_length(shape.embedding)
    writer.add_block_count(shape.blocks)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_rope_dimension_count(shape.head)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_layer_norm_rms_eps(1e-5)
    if shape.pooling:
        writer.add_pooling_type(gguf.PoolingType(shape.pooling))
    _add_tokenizer(writer, shape.vocabulary)


def _add_tokenizer(writer: gguf.GGUFWriter, size: int) -> None:
    tokens, merges = vocabulary(size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in SPECIAL else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges([f"{left} {right}" for left, right in merges])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)


def _byte_letters() -> list[str]:
    """GPT-2's printable letter for each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte) for byte in plain] + [chr(256 + at) for at in range(256 - len(plain))]


def _merges() -> Iterator[tuple[str, str]]:
    """Small-letter words, with and without a space before them, each grown by one letter; shortest first."""
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["\u0120", *letters]
    while True:
        yield from ((word, letter) for word in words for letter in letters)
        words = [word + letter for word in words for letter in letters]


def _quantise(source: Path, target: Path, kind: str) -> None:
    from llama_cpp import llama_cpp as native

    logging.getLogger("llama-cpp-python").setLevel(logging.ERROR)
    options = native.llama_model_quantize_default_params()
    options.ftype = getattr(native, f"LLAMA_FTYPE_MOSTLY_{kind}")
    options.nthread = os.cpu_count() or 1
    if failed := native.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(options)):
        raise RuntimeError(f"cannot quantise to {kind}: llama.cpp says {failed}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 written, 2 misuse (argparse's own), 1 anything that llama.cpp or the disk refuses."""
    parser = _parser()
    options = parser.parse_args(arguments)
    given = {field.name: getattr(options, field.name) for field in fields(Shape)}
    try:
        shape = replace(SHAPES[options.shape], **{name: value for name, value in given.items() if value is not None})
        write_random_gguf(shape, options.type, options.seed, options.out)
    except ShapeError as error:
        parser.error(str(error))
    except (OSError, RuntimeError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    print(f"{options.out}: {options.out.stat().st_size} bytes")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Write a random-weight GGUF of any llama shape.", epilog=EXAMPLE)
    parser.add_argument("--shape", choices=SHAPES, default="tiny", help="what the dimensions below change (tiny)")
    for field in fields(Shape):
        number = float if field.name == "rope_base" else int
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=number, metavar="N")
    parser.add_argument("--type", choices=TYPES, default="F16", help="weights' type (F16)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    return parser


if __name__ == "__main__":
    sys.exit(main())
