"""What is done from time to time: that it goes wrong is noticed."""

import asyncio

import structlog

from supervisor.chores import begin


async def broken() -> None:
    raise OSError("no such device")


async def endless() -> None:
    await asyncio.Event().wait()


async def test_a_chore_that_fails_is_logged_at_once() -> None:
    """Nobody waits for it; one that is cancelled at the end is no failure."""
    with structlog.testing.capture_logs() as lines:
        failing, going_on = begin(broken()), begin(endless())
        await asyncio.wait({failing})
        going_on.cancel()
        await asyncio.wait({going_on})

    assert [(line["event"], line["chore"], str(line["exc_info"])) for line in lines] == [
        ("chore_crashed", "broken", "no such device")
    ]
