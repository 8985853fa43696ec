"""Waiting for what can only be looked at."""

import time
from collections.abc import Callable
from typing import TypeVar

from disposable.errors import Failed

T = TypeVar("T")
POLL_S = 0.01


def until(look: Callable[[], T], what: str, deadline_s: float = 30.0) -> T:
    """Look until something is seen, and return it. Raises Failed when nothing was in time."""
    end = time.monotonic() + deadline_s
    while not (seen := look()):
        if time.monotonic() > end:
            raise Failed(f"after {deadline_s:g} s still not: {what}")
        time.sleep(POLL_S)
    return seen
