"""A model file before it is run: where is it, is it one that llama.cpp loads, and exactly which one is it?

The file is looked into by a process of its own, through the library that will load it: a hostile file ends that process
and nothing else.
"""

import asyncio
import hashlib
import json
import os
import sys
from functools import lru_cache
from pathlib import Path

from modelsvc.models import demo_model_path
from supervisor.config import ModelSection
from supervisor.core.ledger import ModelShape
from supervisor.errors import Refused, is_transient
from supervisor.offload import in_thread, run_within
from supervisor.processes import finish_child
from supervisor.releases.store import ModelFile

INSPECT_TIMEOUT_S = 60.0
STAT_LIMIT_S = 20.0
State = tuple[Path, int, int, int]

_shapes: dict[State, ModelShape] = {}  # of files that did not change since


def model_path(section: ModelSection) -> Path:
    """The model file; the built-in demo model when none is named."""
    return Path(section.path).expanduser().absolute() if section.path else demo_model_path()


async def inspect(path: Path) -> ModelShape:
    """What the file's header says of the memory it needs. Raises Refused as `facts` does."""
    before = await _state(path)
    shape = ModelShape.from_facts(await facts(path))
    if before and before == await _state(path):  # else this may be the header of the file that was there before
        _shapes[before] = shape
    return shape


async def facts(path: Path) -> dict[str, object]:
    """The report of `modelsvc.engine.inspect`.

    Raises Refused for a file that cannot be served, naming it and the remedy.
    """
    found = await _inspection(path)
    if not found.get("ok"):
        told, missing = str(found.get("message")), found.get("code") == "model_missing"
        raise Refused(told, code=str(found.get("code", "model_unsupported")), transient=missing)
    return found


async def shape_of(path: Path) -> ModelShape:
    """As `inspect`, which it asks only about a file that it has not seen yet: asking takes a process."""
    state = await _state(path)
    return (_shapes.get(state) if state else None) or await inspect(path)


async def identify(path: Path, known: ModelFile | None = None) -> ModelFile:
    """The file's identity, told by its content. The hash of an unchanged file is computed once, off the loop.

    `known`: as it was recorded; nothing is read where inode, size and time are still those. Raises Refused when the
    file is gone, or cannot be read.
    """
    try:
        stat = await run_within(path, path.stat, STAT_LIMIT_S)
        if known and known.path == str(path) and looks_like(stat, known):
            return known
        sha256 = await asyncio.wrap_future(
            in_thread(lambda: _sha256(path, stat.st_ino, stat.st_size, stat.st_mtime_ns))
        )
    except FileNotFoundError as error:
        told = f"{path} is gone: {error.strerror}; put the file back"
        raise Refused(told, code="model_missing", transient=True) from None  # its disk may be mounted late
    except OSError as error:
        raise Refused(
            f"{path} cannot be read: {error.strerror}; mend that",
            code="model_unreadable",
            transient=is_transient(error),
        ) from None
    return ModelFile(str(path), sha256, stat.st_size, stat.st_mtime_ns, stat.st_ino)


async def verify_unchanged(model: ModelFile) -> ModelFile:
    """The recorded file as it lies there now: the same bytes may have come to be another inode, or be of a later time.

    Raises Refused when it is gone, or its content is another one.
    """
    found = await identify(Path(model.path), model)
    if found.sha256 != model.sha256:
        raise Refused(
            f"{model.path} was changed since its release was made: deploy it as a new release"
            " (`modelsvc ctl deploy --model`), and replace model files by renaming only",
            code="model_changed",
        )
    return found


def looks_like(stat: os.stat_result, known: ModelFile) -> bool:
    """Whether nothing suggests that the file is another one than recorded."""
    return (stat.st_ino, stat.st_size, stat.st_mtime_ns) == (known.inode, known.size_bytes, known.mtime_ns)


async def _state(path: Path) -> State | None:
    """What changes with the file; None where it cannot be looked at."""
    try:
        stat = await run_within(path, path.stat, STAT_LIMIT_S)
    except OSError:
        return None
    return path, stat.st_ino, stat.st_size, stat.st_mtime_ns


async def _inspection(path: Path) -> dict[str, object]:
    command = (sys.executable, "-P", "-m", "modelsvc.engine.inspect", str(path))
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        output, problems = await finish_child(process, INSPECT_TIMEOUT_S)
    except TimeoutError:
        raise Refused(
            f"{path} could not be read within {INSPECT_TIMEOUT_S:g} s", code="model_unreadable", transient=True
        ) from None
    return _facts(path, output, problems, process.returncode)


def _facts(path: Path, output: bytes, problems: bytes, code: int | None) -> dict[str, object]:
    try:
        facts = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        last = problems.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {code}"]
        raise Refused(
            f"{path} crashed the model reader: {last[0]}; get the file again", code="model_unreadable"
        ) from None
    return dict(facts)


@lru_cache(maxsize=64)
def _sha256(path: Path, inode: int, size_bytes: int, mtime_ns: int) -> str:
    """The rest of the arguments are what the cached hash is valid for."""
    with path.open("rb") as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        now = os.fstat(file.fileno())
    if (now.st_ino, now.st_size, now.st_mtime_ns) != (inode, size_bytes, mtime_ns):
        raise Refused(
            f"{path} changed while it was read: wait until it is complete", code="model_changed", transient=True
        )
    return sha256
