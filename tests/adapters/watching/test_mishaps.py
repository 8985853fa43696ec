"""Defects in a look, and file systems that hang: the watch goes on, and holds nobody up."""

import asyncio
import os
import threading
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.watched_files import DEADLINE_S, QUICK_S, Desk

from supervisor.core.state import Outcome
from supervisor.watching.places import Signature, signature
from supervisor.watching.watcher import Watcher


async def test_a_defect_in_a_look_is_not_the_last_look(world: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged, and the next occasion is taken all the same."""
    looked = 0

    def broken(*_: object) -> None:
        nonlocal looked
        looked += 1
        raise ZeroDivisionError

    async with world.watching():
        await world.decides("in_accord")
        with monkeypatch.context() as patched:
            patched.setattr("supervisor.watching.reader.needs_restart", broken)
            world.edit(slots=2)
            await world.sees(lambda: looked, "it looks, and fails")
        await world.sees(lambda: world.asked, "it asks")


@pytest.mark.parametrize("broken", ["_decide", "_act"])
async def test_a_defect_in_a_conclusion_is_not_the_last_one(
    world: Desk, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """What was looked at in vain is looked at again, without a further change, after pauses that double."""
    tried: list[float] = []

    def fails(*_: object) -> None:
        tried.append(asyncio.get_running_loop().time())
        raise ZeroDivisionError

    async with world.watching():
        await world.decides("in_accord")
        with monkeypatch.context() as patched:
            patched.setattr(Watcher, broken, fails)
            world.edit(slots=2)
            await world.sees(lambda: len(tried) >= 4, "it tries again, and fails")
        await world.sees(lambda: world.asked, "it asks")
    assert [asked.because for asked in world.asked] == ["model.slots 4 -> 2"]
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert all(pause >= QUICK_S * 2**n for n, pause in enumerate(pauses, 1))


async def test_news_of_a_deployment_is_not_lost_in_a_defect(world: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was settled, and what that means is still to be concluded."""
    failed = asyncio.Event()

    def fails(*_: object) -> None:
        failed.set()
        raise ZeroDivisionError

    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await world.sees(lambda: world.asked, "it asks")
        await world.begin("watch")
        with monkeypatch.context() as patched:
            patched.setattr(Watcher, "_decide", fails)
            world.end(Outcome.ROLLED_BACK, reason="the gate was not passed")
            await asyncio.wait_for(failed.wait(), DEADLINE_S)
        await world.decides("settled")


# --- file systems that hang -------------------------------------------------------------------------------------------


async def test_a_look_that_hangs_is_told_once_and_holds_nobody_up(world: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the loop, nor the pool that others take threads of; when it comes back, the watch goes on."""
    release, hanging = threading.Event(), threading.Event()

    def hangs(paths: Iterable[Path]) -> Signature:
        hanging.set()
        release.wait(DEADLINE_S)
        return signature(paths)

    async with world.watching():
        await world.decides("in_accord")
        monkeypatch.setattr("supervisor.watching.watcher.signature", hangs)
        await world.sees(hanging.is_set, "it looks")
        await world.sees(lambda: world.warnings, "it is told")
        world.edit(slots=2)
        threads = threading.active_count()
        assert await asyncio.to_thread(lambda: "the pool lives") and not release.is_set()
        assert threading.active_count() <= threads + 1, "it does not begin another look"
        release.set()
        await world.sees(lambda: world.asked, "it asks")
    assert len(world.warnings) == 1
    assert f"waits for a look into {world.folder}" in world.warnings[0]


async def test_a_configuration_that_hangs_while_it_is_read_holds_nobody_up(world: Desk) -> None:
    """A pipe that nobody writes to is what a file on a dead server is."""
    good = world.config.read_text()
    async with world.watching():
        await world.decides("in_accord")
        pipe = world.config.with_suffix(".pipe")
        os.mkfifo(pipe)
        unfreeze = threading.Timer(DEADLINE_S, feed, [world.config, good])  # else the test would hang, too
        unfreeze.start()
        pipe.rename(world.config)
        await world.sees(lambda: world.warnings, "it is told")
        assert unfreeze.is_alive(), "the loop went on meanwhile"
        unfreeze.cancel()
        await asyncio.to_thread(feed, world.config, good)
        world.write(good.replace("512", "1024"))
        await world.sees(lambda: world.asked, "it asks")


def feed(pipe: Path, text: str) -> None:
    pipe.write_text(text)
