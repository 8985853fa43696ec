"""The thread in which prompts become tokens, with a stack for the longest of them.

Some models' tokenizers cut text by regular expressions that the C++ library follows by recursion, about 350 bytes deep
for each character of a run (of letters, of dots). On the usual stack of 8 MiB some 25,000 in a row end the process.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

STACK_BYTES = 512 * 2**20  # for a run of a million, more than a request holds; only what is needed becomes memory

T = TypeVar("T")
V = TypeVar("V")


class PromptThread:
    """Begun by the first who needs it: whoever loads the model may have stood back, and so would this thread then."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[T], V], argument: T) -> V:
        if self._executor is None:
            self._executor = _begun()
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, argument)

    def shutdown(self) -> None:
        """Returns when what it was doing is done."""
        if self._executor:
            self._executor.shutdown()


def _begun() -> ThreadPoolExecutor:
    usual = threading.stack_size(STACK_BYTES)
    try:
        executor = ThreadPoolExecutor(1, thread_name_prefix="prompt")
        executor.submit(int).result()  # the thread begins now, and stays
    finally:
        threading.stack_size(usual)
    return executor
