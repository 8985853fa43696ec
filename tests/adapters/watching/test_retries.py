"""What was refused for a reason that may pass is tried again by itself, after growing pauses."""

import errno
from pathlib import Path

import pytest
from tests.support.watched_files import Desk, other_model

from supervisor.core.state import Change, Outcome
from supervisor.errors import Refused
from supervisor.releases import model_file


async def refused(world: Desk, reason: str = "it is short of 9 MB") -> int:
    """What the watch asked for, for a reason that may pass."""
    await world.sees(lambda: world.watcher and world.watcher.tracker.asked, "it asks")
    number = await world.begin("watch")
    world.end(Outcome.REFUSED, reason=reason, transient=True)
    return number


def pause_of(world: Desk) -> float:
    """Until it is looked at again."""
    assert world.watcher and world.watcher._verdict and world.watcher._verdict.again_s
    return world.watcher._verdict.again_s - world.now_s


async def test_what_was_refused_for_want_of_memory_is_tried_again_by_itself(world: Desk) -> None:
    """Once a plan says that it fits: until then it is only planned, after pauses that grow, and told once."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await world.sees(lambda: len(world.asked) == 1, "it asks")
        number = await refused(world)
        told = await world.decides("waits")
        assert told.reason == f"deployment {number} was refused: it is short of 9 MB; it is tried again by itself"
        assert world.watcher and world.watcher.status.retry_of == number and world.watcher.status.retry_at
        world.shortage = "it is short of 5 MB"
        for tries, pause_s in enumerate((60, 120, 300, 600, 600)):
            assert (pause_of(world), len(world.planned)) == (pause_s, tries)
            due_s = world.now_s + pause_s
            world.now_s = due_s - 0.001
            await world.watcher.occasion()
            assert len(world.planned) == tries, "it is not due yet"
            world.now_s = due_s
            await world.sees(lambda tries=tries: len(world.planned) > tries, "it is planned")  # type: ignore[misc]
            await world.sees(lambda: pause_of(world) > 0, "it is put off")
        assert "5 MB" in world.watcher.status.reason and world.watcher.status.verdict == "waits"
        assert len(world.asked) == 1 and len(world.verdicts) == 3
        world.shortage = ""
        world.now_s += 600
        await world.sees(lambda: len(world.asked) == 2, "it asks again")
        await world.deploys("watch")
        await world.decides("in_accord", 2)
        assert world.watcher.status.retry_at is None


async def test_what_waits_for_memory_waits_on_under_the_next_supervisor(world: Desk) -> None:
    """A restart is no storm, and no end of the trying."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await refused(world)
        await world.decides("waits")
    async with world.watching():
        await world.decides("waits", 2)
        assert pause_of(world) == 60 and len(world.asked) == 1
        world.now_s += 60
        await world.sees(lambda: len(world.asked) == 2, "it asks again")


async def test_a_change_is_not_waited_for_where_memory_is(world: Desk) -> None:
    """It is asked for at once, and its pauses are its own."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await refused(world)
        await world.decides("waits")
        world.shortage = "short"
        world.now_s += 60
        await world.sees(lambda: world.planned, "it is planned")
        await world.sees(lambda: pause_of(world) == 120, "it is put off")
        world.edit(slots=3)
        await world.sees(lambda: len(world.asked) == 2, "it asks for the next edit")
        assert len(world.planned) == 1
        await refused(world)
        await world.sees(lambda: world.watcher and world.watcher.status.retry_of == 3, "it waits for that")
        assert pause_of(world) == 60


@pytest.mark.parametrize(
    ("found", "asks"),
    [
        (Refused("the disk is full", code="disk_full", transient=True), False),
        (Refused("it is no model", code="model_unsupported"), True),
    ],
    ids=["transient", "lasting"],
)
async def test_a_plan_that_raises_puts_off_what_may_pass(world: Desk, found: Refused, asks: bool) -> None:
    """What lasts is asked for, so that it is on record, and settled."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await refused(world)
        await world.decides("waits")
        world.shortage = found
        world.now_s += 60
        if asks:
            await world.sees(lambda: len(world.asked) == 2, "it asks")
            await world.begin("watch")
            world.end(Outcome.REFUSED, reason=found.message)
            await world.decides("settled")
        else:
            await world.sees(lambda: pause_of(world) == 120, "it is put off")
            assert len(world.asked) == 1


async def test_a_retry_waits_for_what_is_in_the_way(world: Desk) -> None:
    """As any other; an operator's deployment that succeeds is what counts then."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await refused(world)
        await world.decides("waits")
        await world.begin()
        world.now_s += 60
        assert world.watcher
        await world.watcher.occasion()
        assert not world.planned
        world.end(slots=1)
        await world.decides("settled")
        world.now_s += 600
        await world.watcher.occasion()
        assert (world.planned, len(world.asked)) == ([], 1)


async def test_a_deployment_that_begins_during_a_plan_comes_first(world: Desk) -> None:
    """What was planned was for what served before."""
    async with world.watching():
        await world.decides("in_accord")
        world.edit(slots=2)
        await refused(world)
        await world.decides("waits")
        assert world.watcher
        refusal = world.watcher._refusal

        async def overtaken(change: Change) -> str:
            await world.begin()
            return await refusal(change)

        world.watcher._refusal = overtaken
        world.now_s += 60
        await world.sees(lambda: world.planned, "it is planned")
        await world.sees(lambda: world.watcher and "deployment 3" in world.watcher.status.reason, "it waits")
        assert len(world.asked) == 1


async def test_files_that_cannot_be_read_just_now_are_looked_at_again(
    world: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is away changes nothing about a file that could be seen."""
    async with world.watching():
        await world.decides("in_accord")
        with monkeypatch.context() as away:
            away.setattr(model_file, "_sha256", stale)
            other_model(world.model)
            assert "Stale" in (await world.decides("rejected")).reason
            assert pause_of(world) == 60 and not world.asked
            world.now_s += 60
            await world.sees(lambda: pause_of(world) == 120, "it looks again")
        world.now_s += 120
        await world.sees(lambda: world.asked, "it asks")
    assert [told.verdict for told in world.verdicts] == ["in_accord", "rejected", "asks"]


def stale(path: Path, *_: int) -> str:
    raise OSError(errno.ESTALE, "Stale file handle", str(path))
