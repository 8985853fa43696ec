"""Model files of every kind, inspected as before a deployment: in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gguf
import pytest


def inspect(path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "modelsvc.engine.inspect", str(path)], capture_output=True, text=True, timeout=30
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1)
    assert done.stderr == ""
    return found


def altered(model: Path, target: Path, **changes: Any) -> Path:
    """A copy of the model with other or additional metadata; `__` stands for a dot."""
    reader = gguf.GGUFReader(model)
    writer = gguf.GGUFWriter(target, str(changes.pop("architecture", "llama")))
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            _copy(writer, field)
    for key, change in changes.items():
        value, kind = change if isinstance(change, tuple) else (change, gguf.GGUFValueType.get_type(change))
        writer.add_key_value(key.replace("__", "."), value, kind)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    for step in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file, writer.close):
        step()
    return target


def _copy(writer: Any, field: Any) -> None:
    kind, *element = field.types
    writer.add_key_value(field.name, field.contents(), kind, element[0] if element else None)


def test_a_good_file_is_described(model: Path) -> None:
    found = inspect(model)
    assert found["ok"]
    assert found["architecture"] == "llama"
    assert found["size_bytes"] == model.stat().st_size
    assert (found["block_count"], found["embedding_length"], found["context_length"]) == (4, 192, 4096)
    assert (found["head_count"], found["head_count_kv"], found["key_length"], found["value_length"]) == (6, 2, 32, 32)
    assert found["vocabulary_size"] == 768
    assert found["parameters"] > 1_000_000
    assert found["chat_template"] is True


def test_missing_and_no_file(tmp_path: Path) -> None:
    assert inspect(tmp_path / "none.gguf")["code"] == "model_missing"
    assert inspect(tmp_path)["code"] == "model_not_a_file"
    assert inspect(Path("/dev/null"))["code"] == "model_not_a_file"
    assert inspect(tmp_path / ("x" * 300))["code"] == "model_unreadable"


@pytest.mark.parametrize(
    "content",
    [b"", b"GG", b"This is a text file.\n" * 100, b"GGUF\x09\0\0\0" + bytes(100), b"GGUF\x03\0\0\0" + b"\xff" * 100],
    ids=["empty", "short", "text", "future version", "nonsense counts"],
)
def test_what_is_not_gguf(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.gguf").write_bytes(content)
    found = inspect(tmp_path / "m.gguf")
    assert found["code"] == "model_not_gguf"
    assert "again" in found["message"]


@pytest.mark.parametrize("kept", [8, 24, 100, 5_000, 15_000])
def test_cut_within_the_header(model: Path, tmp_path: Path, kept: int) -> None:
    (tmp_path / "m.gguf").write_bytes(model.read_bytes()[:kept])
    found = inspect(tmp_path / "m.gguf")
    assert found["code"] == "model_truncated"
    assert f"ends at byte {kept:,}, within its header" in found["message"]


@pytest.mark.parametrize("missing", [1, 100_000])
def test_cut_within_the_weights(model: Path, tmp_path: Path, missing: int) -> None:
    """Both counts are told."""
    size = model.stat().st_size
    (tmp_path / "m.gguf").write_bytes(model.read_bytes()[:-missing])
    found = inspect(tmp_path / "m.gguf")
    assert found["code"] == "model_truncated"
    assert f"ends at byte {size - missing:,} but its header promises {size:,}: download it again" in found["message"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"architecture": "brainwave"}, "unknown model architecture: 'brainwave'"),
        ({"general__type": "adapter"}, "holds a adapter"),
        ({"llama__attention__causal": False}, "does not generate text"),
        ({"split__count": (3, gguf.GGUFValueType.UINT16)}, "llama-gguf-split --merge"),
    ],
)
def test_what_cannot_be_served(model: Path, tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    found = inspect(altered(model, tmp_path / "m.gguf", **changes))
    assert found["code"] == "model_unsupported"
    assert told in found["message"]
