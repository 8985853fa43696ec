"""What is done from time to time while the service runs."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import structlog

from supervisor.journal.reserve import Reserve
from supervisor.logs import rotate_in_place

ROTATE_INTERVAL_S = 60.0
RESERVE_INTERVAL_S = 5.0

log = structlog.get_logger()


def begin(chore: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Nobody waits for a chore, so one that ends by a defect is logged at once: else it would just be missing."""
    task = asyncio.create_task(chore, name=getattr(chore, "__qualname__", None))
    task.add_done_callback(_log_crash)
    return task


def _log_crash(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("chore_crashed", chore=task.get_name(), exc_info=error)


async def repeat(work: Callable[[], Awaitable[None]], interval_s: float, failed: str) -> None:
    """Every `interval_s`, until cancelled. What goes wrong is logged as `failed`, and it is done again all the same."""
    while True:
        await asyncio.sleep(interval_s)
        try:
            await work()
        except Exception:
            log.exception(failed)


async def rotate_logs(held: Iterable[Path]) -> None:
    """Those that other processes hold open. Until cancelled."""
    held = tuple(held)
    while True:
        await asyncio.sleep(ROTATE_INTERVAL_S)
        for path in held:
            try:
                await asyncio.to_thread(rotate_in_place, path)
            except OSError as error:  # a full disk, say: the next round may find room
                log.warning("log_not_rotated", path=str(path), reason=str(error))


async def keep_reserve(reserve: Reserve) -> None:
    """Once there is room again. Until cancelled."""
    while True:
        await asyncio.sleep(RESERVE_INTERVAL_S)
        await asyncio.to_thread(reserve.keep)
