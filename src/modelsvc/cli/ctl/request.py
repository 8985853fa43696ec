"""What the user asks to deploy, checked here for quick feedback and by the daemon for truth."""

import os
from collections.abc import Sequence
from pathlib import Path

from modelsvc.store import Store
from modelsvc.store.source import local_path
from supervisor.errors import InvalidRequest, NotFound
from supervisor.paths import state_paths
from supervisor.protocol import DeployRequest, ProtocolError, SettingValue, parse_assignment

MODEL_KEY = "model.path"
GGUF_MAGIC = b"GGUF"


def deploy_request(model: Path | None, assignments: Sequence[str], in_place: bool = False) -> DeployRequest:
    """Raises InvalidRequest, with what to write instead, when it cannot be meant."""
    settings = _settings(assignments)
    named = settings.get(MODEL_KEY)
    if model is not None and named is not None:
        raise InvalidRequest(f"--model and --set {MODEL_KEY} both name the model: give one of them")
    if model is None and isinstance(named, str) and named:
        model = Path(named)
        del settings[MODEL_KEY]
    return DeployRequest(model=str(found_model(model)) if model else None, settings=settings, in_place=in_place)


def found_model(named: Path) -> Path:
    """The absolute path of a GGUF file, or of what the store has under that name where there is no such file."""
    if len(named.parts) != 1 or _is_there(local_path(str(named))):
        return checked_model(named)
    store = Store(state_paths().models)
    try:
        return store.find(str(named)).path
    except NotFound:
        path = named.absolute()
        there = f"{path} is a folder" if os.path.isdir(path) else f"there is no model file {path}"  # noqa: PTH112
        raise InvalidRequest(
            f"{there}, and the store has no model {str(named)!r}: {store.contents()}", code="no_model_file"
        ) from None


def _is_there(path: Path) -> bool:
    """A folder is nothing that could be served. Path's own questions raise for long names."""
    return os.path.exists(path) and not os.path.isdir(path)  # noqa: PTH110, PTH112


def checked_model(path: Path) -> Path:
    """The absolute path of a file that at least begins as GGUF does."""
    path = local_path(str(path))
    if not os.path.exists(path):  # noqa: PTH110  # Path's raises for a long name
        raise InvalidRequest(f"there is no model file {path}", code="no_model_file")
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no regular file"
        raise InvalidRequest(f"{path} is {what}: name the GGUF file itself", code="no_model_file")
    if _magic(path) != GGUF_MAGIC:
        raise InvalidRequest(f"{path} is no GGUF file: it does not begin with the bytes GGUF", code="not_gguf")
    return path


def _magic(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be read: {error.strerror}", code="no_model_file") from error


def _settings(assignments: Sequence[str]) -> dict[str, SettingValue]:
    try:
        return dict(map(parse_assignment, assignments))
    except ProtocolError as error:
        raise InvalidRequest(str(error), code="bad_setting") from error
