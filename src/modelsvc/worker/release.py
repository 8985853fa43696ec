"""The release file: what this worker is to run, as recorded by whoever started it."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from modelsvc.worker.errors import BadRelease


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file: every key is required, and no other is allowed."""


class ModelFile(_Table, frozen=True):
    path: Annotated[str, msgspec.Meta(min_length=1)]
    sha256: str
    size_bytes: int
    mtime_ns: int
    inode: int


class Settings(_Table, frozen=True):
    context_tokens: Annotated[int, msgspec.Meta(ge=128)]
    slots: Annotated[int, msgspec.Meta(ge=1, le=64)]
    threads: Annotated[int, msgspec.Meta(ge=0)]
    gpu_layers: Literal["auto"] | Annotated[int, msgspec.Meta(ge=-1)]
    kv_cache: Literal["f16", "q8_0"]
    queue_limit: Annotated[int, msgspec.Meta(ge=0)]
    allowed_hosts: tuple[str, ...]
    # Releases of before have none of these.
    allowed_origins: tuple[str, ...] = ()
    system_prompt: str = ""
    temperature: Literal["auto"] | Annotated[float, msgspec.Meta(ge=0, le=2)] = "auto"
    top_k: Literal["auto"] | Annotated[int, msgspec.Meta(ge=0)] = "auto"
    top_p: Literal["auto"] | Annotated[float, msgspec.Meta(ge=0, le=1)] = "auto"
    min_p: Literal["auto"] | Annotated[float, msgspec.Meta(ge=0, le=1)] = "auto"
    repeat_penalty: Annotated[float, msgspec.Meta(gt=0, le=10)] = 1.0


class Release(_Table, frozen=True):
    number: Annotated[int, msgspec.Meta(ge=1)]
    created_at: str
    package_version: str
    model: ModelFile
    settings: Settings


def read_release(path: Path) -> Release:
    """Raises BadRelease for anything but a complete release."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=Release)
    except OSError as error:
        raise BadRelease(f"cannot read the release file {path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise BadRelease(f"{path} is not a release file: {error}") from error


def check_unchanged(model: ModelFile) -> None:
    """Raises BadRelease when the file is not the recorded one: its weights would not be what was approved.

    It is read only where inode, size or time are others than recorded: the same bytes may have been put there again.
    """
    try:
        change = _change(Path(model.path), model)
    except OSError as error:
        raise BadRelease(f"cannot read the model file {model.path}: {error.strerror}") from error
    if change:
        raise BadRelease(
            f"the model file {model.path} changed since the release was recorded ({change}): "
            "deploy again to record what is there now"
        )


def _change(path: Path, model: ModelFile) -> str:
    """What of the content is not as recorded; empty when it is the same."""
    found = path.stat()
    if (found.st_size, found.st_mtime_ns, found.st_ino) == (model.size_bytes, model.mtime_ns, model.inode):
        return ""
    if found.st_size != model.size_bytes:
        return f"size {model.size_bytes} -> {found.st_size}"
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return "" if sha256 == model.sha256 else f"sha256 {model.sha256} -> {sha256}"
