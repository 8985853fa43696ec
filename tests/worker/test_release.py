"""The release file is taken whole or not at all."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from disposable.worker import write_release
from tests.worker.harness import release_record

from modelsvc.worker.errors import BadRelease
from modelsvc.worker.release import check_unchanged, read_release

Record = dict[str, Any]


def test_a_complete_release_is_read(model: Path, tmp_path: Path) -> None:
    release = read_release(write_release(tmp_path, release_record(model, gpu_layers="auto")))
    assert (release.number, release.settings.gpu_layers, release.model.path) == (7, "auto", str(model))


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda r: r.update(extra=1), "unknown field `extra`"),
        (lambda r: r["settings"].update(slotz=1), "unknown field `slotz`"),
        (lambda r: r["model"].pop("inode"), "missing required field `inode`"),
        (lambda r: r.pop("settings"), "missing required field `settings`"),
        (lambda r: r.update(number="7"), "Expected `int`, got `str`"),
        (lambda r: r.update(number=0), "`int` >= 1"),
        (lambda r: r["settings"].update(slots=0), "`int` >= 1"),
        (lambda r: r["settings"].update(slots=True), "got `bool`"),
        (lambda r: r["settings"].update(context_tokens=1), "`int` >= 128"),
        (lambda r: r["settings"].update(gpu_layers="all"), "'all'"),
        (lambda r: r["settings"].update(kv_cache="f32"), "'f32'"),
        (lambda r: r["settings"].update(allowed_hosts="x"), "Expected `array`"),
    ],
)
def test_what_is_wrong_is_told(model: Path, tmp_path: Path, break_it: Callable[[Record], Any], told: str) -> None:
    record = release_record(model)
    break_it(record)
    with pytest.raises(BadRelease, match="is not a release file") as caught:
        read_release(write_release(tmp_path, record))
    assert told in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"number = ", b"\xff\xfe", b"{}"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.toml").write_bytes(content)
    with pytest.raises(BadRelease, match="is not a release file"):
        read_release(tmp_path / "r.toml")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRelease, match="No such file"):
        read_release(tmp_path / "none.toml")


@pytest.mark.parametrize("field", ["mtime_ns", "inode"])
def test_the_recorded_bytes_pass_whatever_inode_and_time_they_have(model: Path, tmp_path: Path, field: str) -> None:
    """Somebody may have put the same file there again."""
    record = release_record(model)
    record["model"]["sha256"] = hashlib.sha256(model.read_bytes()).hexdigest()
    record["model"][field] += 1
    check_unchanged(read_release(write_release(tmp_path, record)).model)


@pytest.mark.parametrize("field", ["size_bytes", "mtime_ns", "inode"])
def test_a_model_that_is_not_the_recorded_one_is_refused(model: Path, tmp_path: Path, field: str) -> None:
    """Its weights would not be those that were approved. The record's sum is none of this file."""
    record = release_record(model)
    record["model"][field] += 1
    with pytest.raises(BadRelease, match="changed since the release was recorded"):
        check_unchanged(read_release(write_release(tmp_path, record)).model)


def test_a_model_that_is_gone_is_refused(model: Path, tmp_path: Path) -> None:
    record = release_record(model)
    record["model"]["path"] = str(tmp_path / "gone.gguf")
    with pytest.raises(BadRelease, match=r"cannot read the model file .*gone\.gguf"):
        check_unchanged(read_release(write_release(tmp_path, record)).model)
