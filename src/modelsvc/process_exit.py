"""How a process ends that has had a server of Granian's in it."""

import os
import sys
from contextlib import suppress
from typing import NoReturn


def exit_now(exit_code: int) -> NoReturn:
    """End at once, with what was written flushed.

    The interpreter's own end is left out: a thread of Granian's that still runs would abort the process in it, and make
    an orderly end look like a crash. So nothing may be left to `atexit`.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # as it is where the descriptor was closed
            with suppress(OSError, ValueError):
                stream.flush()
    os._exit(exit_code)
