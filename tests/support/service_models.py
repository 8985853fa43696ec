"""Model files that cannot be served, made from the demo model, and one that talks for long."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tools.random_gguf import Shape, write_random_gguf

from modelsvc.models import demo_model_path

ARCHITECTURE = b"general.architecture"
LENGTH_BYTES = 8
TALKER = Shape(
    embedding=256, blocks=8, heads=4, kv_heads=2, feed_forward=1024, vocabulary=4096, context=4096
)  # slow enough to be watched, and random, so that it hardly ever comes to an end by itself


def truncated(path: Path) -> None:
    whole = demo_model_path().read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])


def not_gguf(path: Path) -> None:
    path.write_bytes(b"This is a letter, and no model." * 1000)


def unknown_architecture(path: Path) -> None:
    """The demo model, said to be of a kind that no library knows."""
    whole = demo_model_path().read_bytes()
    at = whole.index(ARCHITECTURE) + len(ARCHITECTURE) + 4 + LENGTH_BYTES
    length = int.from_bytes(whole[at - LENGTH_BYTES : at], "little")
    path.write_bytes(whole[:at] + b"x" * length + whole[at + length :])


def tensor_missing(path: Path) -> None:
    """The demo model with a tensor under a name that nobody looks for: sound as a file, but not loadable."""
    whole = demo_model_path().read_bytes()
    assert whole.count(b"blk.0.attn_q.weight") == 1
    path.write_bytes(whole.replace(b"blk.0.attn_q.weight", b"blk.0.attn_x.weight"))


def copied(path: Path) -> None:
    shutil.copyfile(demo_model_path(), path)


def talker(path: Path) -> None:
    write_random_gguf(TALKER, "F16", seed=3, out=path)


Maker = Callable[[Path], None]
