"""Calls into file systems that may hang, a network's say, each in a thread of its own.

Not in the loop's pool: a few that hang would take all its threads, and whoever else needs one waits. The threads are
daemons, so that no end waits for them either.
"""

import asyncio
import errno
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

_hung: dict[Path, Future[object]] = {}  # calls that hung when they were last looked at, by what they look at


def in_thread(call: Callable[[], T]) -> Future[T]:
    """The call under way; what it raises is raised to whoever asks for its result."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # so that whoever gives up waiting does not cancel it under the thread

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name="offloaded", daemon=True).start()
    return future


async def run_within(path: Path, call: Callable[[], T], limit_s: float) -> T:
    """What `call`, which looks at `path`, returns. Raises what it raises, and TimeoutError, an OSError, when it hangs.

    While one that hung still does, so does every later one, at once: threads do not gather.
    """
    _raise_if_still_hung(path)
    future = in_thread(call)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), limit_s)
    except TimeoutError:
        raise _timed_out(path, future, limit_s) from None


def run_within_blocking(path: Path, call: Callable[[], T], limit_s: float) -> T:
    """As `run_within`, for those who cannot await: the caller is held up for `limit_s` at most, once."""
    _raise_if_still_hung(path)
    future = in_thread(call)
    try:
        return future.result(limit_s)
    except TimeoutError:
        raise _timed_out(path, future, limit_s) from None


def _raise_if_still_hung(path: Path) -> None:
    hung = _hung.get(path)
    if hung is None:
        return
    if not hung.done():
        raise TimeoutError(errno.ETIMEDOUT, "its file system still does not answer")
    _hung.pop(path, None)


def _timed_out(path: Path, future: Future[T], limit_s: float) -> TimeoutError:
    """The call may have timed out by itself, or just now come to its end: then nothing is left of it."""
    if not future.done():
        _hung[path] = future  # type: ignore[assignment]  # whose result nobody will ask for
    return TimeoutError(errno.ETIMEDOUT, f"its file system did not answer within {limit_s:g} s")
