"""Can this file be served? The checks in order, each with the message its failure deserves."""

import stat
from pathlib import Path

from modelsvc.engine.contents import Contents, Unusable


def inspect(path: str) -> Contents:
    """Raises Unusable."""
    size = _check_file(path)
    _check_complete(path, size)
    from modelsvc.engine.vocabulary import read_contents  # late: a missing file needs no llama.cpp

    return read_contents(path, size)


def _check_file(path: str) -> int:
    try:
        found = Path(path).stat()
    except FileNotFoundError as error:
        raise Unusable("model_missing", f"{path} does not exist: check the path") from error
    except OSError as error:
        raise Unusable("model_unreadable", f"{path} cannot be looked at: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise Unusable("model_not_a_file", f"{path} is {kind}: give the path of a .gguf file")
    _check_magic(path)
    return found.st_size


def _check_magic(path: str) -> None:
    try:
        with Path(path).open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise Unusable("model_unreadable", f"{path} cannot be read: {error.strerror}") from error
    if magic != b"GGUF":
        begins = "is empty" if not magic else f"begins with {magic!r} instead of b'GGUF'"
        raise Unusable("model_not_gguf", f"{path} is not a GGUF file, it {begins}: download or convert the model again")


def _check_complete(path: str, size: int) -> None:
    from modelsvc.engine.gguf_header import HeaderUnreadable, open_header

    try:
        with open_header(path) as header:
            promised, parts = header.promised_bytes, header.parts
    except HeaderUnreadable as error:
        if error.truncated:
            cut = f"{path} ends at byte {size:,}, within its header ({error}): download it again"
            raise Unusable("model_truncated", cut) from error
        raise Unusable("model_not_gguf", f"{path} has a damaged header ({error}): download it again") from error
    if size < promised:
        cut = f"{path} ends at byte {size:,} but its header promises {promised:,}: download it again"
        raise Unusable("model_truncated", cut)
    if parts > 1:
        split = f"{path} is one of {parts} parts of a model: join them with llama-gguf-split --merge"
        raise Unusable("model_unsupported", split)
