"""The supervisor's own key, with which it asks workers that demand one. It outlives the supervisor, as they do."""

from pathlib import Path

from modelsvc.keyfile import BadKeys, make_key, publish, read_private
from supervisor.errors import StorageError


def own_key(path: Path) -> str:
    """The key in `path`; a new one when there is none, or when others could have read it. Raises StorageError.

    Workers take up a new one as soon as it is there.
    """
    try:
        if key := read_private(path).strip():
            return key
    except BadKeys:
        pass
    key = make_key()
    try:
        publish(path, f"{key}\n")
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}; free the disk or mend its rights") from error
    return key
