"""A model file's header, for which llama.cpp is asked once however many checks want it."""

import asyncio
import threading
from functools import cache
from pathlib import Path

from supervisor.core.ledger import ModelShape
from supervisor.errors import Refused
from supervisor.releases.model_file import inspect

_asking = threading.Lock()


def shape_of(path: Path) -> ModelShape:
    """Raises Refused for a file that cannot be served."""
    with _asking:
        found = _answer(path)
    if isinstance(found, Refused):
        raise found
    return found


@cache
def _answer(path: Path) -> ModelShape | Refused:
    try:
        return asyncio.run(inspect(path))
    except Refused as error:
        return error
