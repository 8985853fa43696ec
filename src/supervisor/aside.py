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

_left: dict[Path, Future[object]] = {}  # calls that hung when they were last looked at, by what they look at


def begin(call: Callable[[], T]) -> Future[T]:
    """The call under way; what it raises is raised to whoever asks for its result."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()  # so that whoever gives up waiting does not cancel it under the thread

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, name="aside", daemon=True).start()
    return future


async def aside(path: Path, call: Callable[[], T], limit_s: float) -> T:
    """What `call`, which looks at `path`, returns. Raises what it raises, and TimeoutError, an OSError, when it hangs.

    While one that hung still does, so does every later one, at once: threads do not gather.
    """
    _check(path)
    future = begin(call)
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), limit_s)
    except TimeoutError:
        raise _hung(path, future, limit_s) from None


def within(path: Path, call: Callable[[], T], limit_s: float) -> T:
    """As `aside`, for those who cannot await: the caller is held up for `limit_s` at most, once."""
    _check(path)
    future = begin(call)
    try:
        return future.result(limit_s)
    except TimeoutError:
        raise _hung(path, future, limit_s) from None


def _check(path: Path) -> None:
    left = _left.get(path)
    if left is None:
        return
    if not left.done():
        raise TimeoutError(errno.ETIMEDOUT, "its file system still does not answer")
    _left.pop(path, None)


def _hung(path: Path, future: Future[T], limit_s: float) -> TimeoutError:
    """The call may have timed out by itself, or just now come to its end: then nothing is left of it."""
    if not future.done():
        _left[path] = future  # type: ignore[assignment]  # whose result nobody will ask for
    return TimeoutError(errno.ETIMEDOUT, f"its file system did not answer within {limit_s:g} s")
