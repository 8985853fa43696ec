"""A model that always says the same: each of its tokens is followed by the next one of a script.

Nothing but the last token decides: embeddings are unit vectors, blocks add nothing, and the output matrix says what
follows what. The script begins after a newline, with which chat templates end.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

WIDTH = 512
FEED_FORWARD = 32
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
END = 2
_PLAIN = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_LETTERS = {byte: chr(byte) for byte in _PLAIN} | {
    byte: chr(256 + at) for at, byte in enumerate(byte for byte in range(256) if byte not in _PLAIN)
}


def write_scripted_gguf(out: Path, script: Sequence[str], template: str, control: Sequence[str] = ()) -> None:
    """`control`: those of the script's tokens that are control tokens. None twice, nor a single byte."""
    tokens = [*SPECIAL, *_LETTERS.values(), *(text if text in control else _spelled(text) for text in script)]
    assert len(set(tokens)) == len(tokens), "llama.cpp aborts at two tokens of the same text"
    types = [gguf.TokenType.CONTROL if text in (*SPECIAL, *control) else gguf.TokenType.NORMAL for text in tokens]
    writer = gguf.GGUFWriter(out, "llama")
    _add_shape(writer)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(["! !"])  # none at all is refused
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)
    first = len(SPECIAL) + len(_LETTERS)
    said = [tokens.index(_LETTERS[ord("\n")]), *range(first, len(tokens)), END]
    for name, tensor in _tensors(len(tokens), dict(pairwise(said))).items():
        writer.add_tensor(f"{name}.weight", tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _spelled(text: str) -> str:
    return "".join(_LETTERS[byte] for byte in text.encode())


def _add_shape(writer: gguf.GGUFWriter) -> None:
    writer.add_name("scripted")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(8)
    writer.add_head_count_kv(8)
    writer.add_rope_dimension_count(WIDTH // 8)
    writer.add_layer_norm_rms_eps(1e-5)


def _tensors(tokens: int, follows: Mapping[int, int]) -> dict[str, npt.NDArray[np.float32]]:
    output = np.zeros((tokens, WIDTH), np.float32)
    for before, after in follows.items():
        output[after, before] = 1
    ones, zeros = np.ones(WIDTH, np.float32), np.zeros((WIDTH, WIDTH), np.float32)
    wide = np.zeros((FEED_FORWARD, WIDTH), np.float32)
    return {
        "token_embd": np.eye(tokens, WIDTH, dtype=np.float32),
        "output": output,
        "output_norm": ones,
        "blk.0.attn_norm": ones,
        **{f"blk.0.attn_{name}": zeros for name in ("q", "k", "v", "output")},
        "blk.0.ffn_norm": ones,
        "blk.0.ffn_gate": wide,
        "blk.0.ffn_up": wide,
        "blk.0.ffn_down": wide.T.copy(),
    }
