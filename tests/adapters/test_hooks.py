"""Which events a hook is run at, in which order, and what is told of its failures; with real commands."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import structlog
from disposable.processes import is_alive
from disposable.waiting import until
from prometheus_client import CollectorRegistry

from supervisor.config import HookSection
from supervisor.core import records as rec
from supervisor.feed.feed import Feed
from supervisor.hooks import hooks
from supervisor.hooks import run as hook_run
from supervisor.hooks.hooks import Hooks, Surroundings, missing_programs
from supervisor.paths import StatePaths

DEADLINE_S = 20.0
NOTE = 'cat >>"$0"; echo "$MODELSVC_EVENT $MODELSVC_EVENT_ID" >>"$0.names"'  # into the file that it is given


@dataclass
class World:
    """A feed with hooks. What they fail at is published, as the supervisor does."""

    folder: Path
    feed: Feed = field(default_factory=Feed)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    failures: list[rec.HookFailed] = field(default_factory=list)

    def tell(self, failure: rec.HookFailed) -> None:
        self.failures.append(failure)
        self.feed.publish(failure)

    def warn(self, *texts: str) -> None:
        for text in texts:
            self.feed.publish(rec.Warned(text))

    def noted(self, name: str) -> list[dict[str, Any]]:
        """The events that the command appended to the file."""
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def counted(self, event: str, outcome: str) -> float:
        return self.registry.get_sample_value("modelsvc_hook_runs_total", {"event": event, "outcome": outcome}) or 0.0

    async def sees(self, condition: Any, what: str) -> None:
        await asyncio.to_thread(until, condition, what, DEADLINE_S)


@asynccontextmanager
async def running(folder: Path, *sections: HookSection) -> AsyncIterator[World]:
    world = World(folder)
    around = Surroundings(StatePaths(folder), folder / "control.sock", folder / "modelsvc.toml")
    these = Hooks(sections, around, world.feed, world.tell, world.registry)
    these.start()
    try:
        yield world
    finally:
        world.feed.close()
        await these.close()


def hook(*on: str, script: str, name: str = "", timeout_s: float = 60.0) -> HookSection:
    return HookSection(on=list(on), command=["/bin/sh", "-c", script, name], timeout_s=timeout_s)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_run, "KILL_AFTER_S", 0.2)
    monkeypatch.setattr(hooks, "MOMENT_S", 5.0)


async def test_a_hook_is_run_at_the_events_it_names(folder: Path) -> None:
    """In order, with the event as one line of JSON; one of all is run at all."""
    async with running(
        folder, hook("warned", script=NOTE, name="some"), hook("*", "warned", script=NOTE, name="all")
    ) as world:
        world.warn("one")
        world.feed.publish(rec.Paused(True))
        world.warn("two")
    assert [(event["event"], event["text"], event["id"]) for event in world.noted("some")] == [
        ("warned", "one", 1),
        ("warned", "two", 3),
    ]
    assert [event["event"] for event in world.noted("all")] == ["warned", "paused", "warned"]
    assert (folder / "all.names").read_text() == "warned 1\npaused 2\nwarned 3\n"
    assert (world.counted("warned", "succeeded"), world.counted("paused", "succeeded")) == (4, 1)
    assert world.failures == []


async def test_a_hook_finds_the_service(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its environment; systemd's own socket is not for it."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd")
    script = 'echo "$MODELSVC_SOCKET $MODELSVC_HOME $MODELSVC_CONFIG $NOTIFY_SOCKET." >"$0"'
    async with running(folder, hook("warned", script=script, name="said")) as world:
        world.warn("x")
    assert (folder / "said").read_text() == f"{folder}/control.sock {folder} {folder}/modelsvc.toml .\n"


async def test_a_hook_that_hangs_holds_up_no_other_one(folder: Path) -> None:
    """Nor who publishes. It is ended in its time and the failure is told."""
    slow = hook("warned", script="sleep 100", timeout_s=0.3)
    async with running(folder, slow, hook("warned", "hook_failed", script=NOTE, name="quick")) as world:
        world.warn("x")
        await world.sees(lambda: world.noted("quick"), "the quick one was run")
        await world.sees(lambda: len(world.noted("quick")) == 2, "and once more, at the failure of the other")
    (failure,) = world.failures
    assert failure == rec.HookFailed(
        1, "/bin/sh", "warned", 1, "it was not done within 0.3 s (timeout_s), and was ended"
    )
    assert world.counted("warned", "timed_out") == 1


async def test_what_a_hook_says_is_in_the_log(folder: Path) -> None:
    """Once for each run, with the event."""
    with structlog.testing.capture_logs() as lines:
        async with running(folder, hook("warned", script="echo hello; exit 4")) as world:
            world.warn("x")
    said = [line for line in lines if line["event"] == "hook_said"]
    assert [(line["output"], line["hook_event"]) for line in said] == [("hello\n", "warned")]
    assert world.failures[0].reason == "it exited with code 4: hello"


async def test_hooks_that_always_fail_do_not_go_round(folder: Path) -> None:
    """Two of all events: each is run at the other's failure, and that is the end of it."""
    both = [hook("*", script=NOTE + "; exit 1", name=name) for name in ("a", "b")]
    async with running(folder, *both) as world:
        world.warn("x")
        await world.sees(lambda: world.counted("hook_failed", "failed") == 2, "each failed at the other's failure")
        world.warn("y")
        await world.sees(lambda: world.counted("hook_failed", "failed") == 4, "and once more")
    assert [failure.hook_event for failure in world.failures] == ["warned"] * 4
    seen = [(event["event"], event.get("hook")) for event in world.noted("a")]
    assert sorted(seen, key=str) == [("hook_failed", 2)] * 2 + [("warned", None)] * 2


async def test_when_too_many_wait_the_oldest_are_dropped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is counted, and told once until it has caught up."""
    monkeypatch.setattr(hooks, "QUEUE_LIMIT", 3)
    script = 'echo "$$" >"$0.pid"; while [ ! -e go ]; do sleep 0.02; done; ' + NOTE
    async with running(folder, hook("warned", script=script, name="slow")) as world:
        world.warn("first")
        await world.sees((folder / "slow.pid").exists, "it runs")
        world.warn(*map(str, range(8)))
        await world.sees(lambda: world.counted("warned", "dropped") == 5, "five were dropped")
        (folder / "go").touch()
    assert [event["text"] for event in world.noted("slow")] == ["first", "5", "6", "7"]
    (failure,) = world.failures
    assert (failure.hook_event_id, failure.reason) == (
        2,
        "3 events wait for it: the oldest are dropped until none waits",
    )


async def test_what_waits_at_the_end_is_still_run_for_a_moment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then whatever runs is ended, and nothing is left of it."""
    monkeypatch.setattr(hooks, "MOMENT_S", 0.5)
    stuck = hook("warned", script="trap '' TERM; echo $$ >pid; sleep 100; sleep 100")
    with structlog.testing.capture_logs() as lines:
        async with running(folder, stuck, hook("warned", script=NOTE, name="quick")) as world:
            world.warn("one", "two")
            await world.sees((folder / "pid").exists, "it runs")
    assert len(world.noted("quick")) == 2
    assert not is_alive(int((folder / "pid").read_text()))
    assert [line["hooks"] for line in lines if line["event"] == "hooks_ended_with_the_supervisor"] == [1]


async def test_no_hooks_are_no_work(folder: Path) -> None:
    """As most services have it."""
    async with running(folder) as world:
        world.warn("x")
    assert world.failures == []


def test_programs_that_are_not_there_are_all_named(folder: Path) -> None:
    """With their places, counted as in events; a name is looked for in PATH."""
    text = folder / "text"
    text.write_text("x")
    good = [HookSection(on=["*"], command=[program]) for program in ("sh", "/bin/sh")]
    bad = [HookSection(on=["*"], command=[program]) for program in ("no-such-program", str(text), str(folder))]
    assert missing_programs(good) == []
    told = missing_programs([*good, *bad])
    assert len(told) == len(bad)
    for place, (program, line) in enumerate(zip(("no-such-program", str(text), str(folder)), told, strict=True), 3):
        assert f"hook.{place}.command: there is no program {program!r}" in line
