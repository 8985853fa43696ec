"""Waiting for something to become true, on the monotonic clock."""

import asyncio
from collections.abc import Awaitable, Callable

POLL_S = 0.01

Check = Callable[[], Awaitable[bool]]


async def eventually(check: Check, timeout_s: float, poll_s: float = POLL_S) -> bool:
    """Whether `check` came true in time; it is asked at least once."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not await check():
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(poll_s)
    return True
