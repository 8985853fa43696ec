"""When to look at files: as soon as something happens in their folders, and every second anyway.

Events come from the system by `watchfiles` (inotify, FSEvents). Where they are not to be had, or a network's file
system keeps silent, the look of every second is what sees a change: it costs a few calls of stat().
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from pathlib import Path

import structlog
from watchfiles import awatch

from supervisor.watching.looks import Looks
from supervisor.watching.places import Folders, folders

INTERVAL_S = 1.0
GATHER_MS = 200  # events this close are one; the library looks for some that often

log = structlog.get_logger()


async def occasions(
    paths: Callable[[], Iterable[Path]], looks: Looks, interval_s: float = INTERVAL_S
) -> AsyncIterator[None]:
    """Yields at once, and then at each occasion to look at `paths`, which may be others each time. Until cancelled.

    A folder that was replaced, or came back, is followed from then on.
    """

    async def found() -> Folders:
        now = tuple(paths())
        return await looks.take(lambda: folders(now))

    silent = False
    while True:
        followed = await found()
        yield
        try:
            async for _ in _until_moved(followed, found, interval_s):
                yield
        except (OSError, RuntimeError) as error:  # a folder went away just now, or no more inotify watches are left
            if not silent:
                log.warning("file_events_missing", reason=str(error), remedy=f"looked at every {interval_s:g} s")
            silent = True
            await asyncio.sleep(interval_s)


async def _until_moved(
    followed: Folders, found: Callable[[], Awaitable[Folders]], interval_s: float
) -> AsyncIterator[None]:
    """As long as these are the folders, and not others by the same name."""
    timeout_ms = round(interval_s * 1000)
    events = awatch(
        *followed,
        watch_filter=None,
        recursive=False,
        debounce=2 * GATHER_MS,
        step=GATHER_MS,
        rust_timeout=timeout_ms,
        yield_on_timeout=True,
        ignore_permission_denied=True,
    )
    async with aclosing(events):
        async for _ in events:
            if await found() != followed:
                return
            yield
