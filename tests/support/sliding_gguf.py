"""A model of random weights most blocks of which look back on a few tokens only, as Gemma's and Cohere's do."""

from pathlib import Path

import gguf
import numpy as np
from tools.random_gguf import CHAT_TEMPLATE, Shape, _add_metadata, tensor_shapes

SHAPE = Shape(embedding=128, blocks=4, heads=4, kv_heads=4, feed_forward=256, context=2048)


def write_sliding(path: Path, window: int) -> None:
    """Three blocks of four look back on `window` tokens."""
    writer = gguf.GGUFWriter(path, "cohere2")
    _add_metadata(writer, SHAPE, seed=1)
    writer.add_layer_norm_eps(1e-5)
    writer.add_logit_scale(1.0)
    writer.add_sliding_window(window)
    writer.add_chat_template(CHAT_TEMPLATE)
    rng = np.random.default_rng(1)
    for name, size in tensor_shapes(SHAPE):
        if "ffn_norm" not in name:
            writer.add_tensor(name, _random(rng, size))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _random(rng: np.random.Generator, size: tuple[int, ...]) -> "np.ndarray[tuple[int, ...], np.dtype[np.floating]]":
    if len(size) == 1:
        return np.ones(size, dtype=np.float32)
    return (rng.standard_normal(size) * 0.2).astype(np.float16)
