"""Who follows what happens: all of it, in order, at their own pace; and what they missed is told."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from supervisor.core import records as rec
from supervisor.core.lifecycle import Phase
from supervisor.core.state import Color, DeploymentKind, Outcome
from supervisor.core.steps import Step, StepState
from supervisor.feed.feed import BLOCK, RING, Feed, first_id
from supervisor.journal import Journal
from supervisor.protocol import encode
from supervisor.protocol import happenings as hp

BLUE, GREEN = Color.BLUE, Color.GREEN
DEADLINE_S = 10.0
ROOT = Path(__file__).resolve().parents[2]


def warned(feed: Feed, *numbers: int) -> None:
    for number in numbers:
        feed.publish(rec.Warned(f"w{number}"))


def ids(happenings: list[hp.Happening]) -> list[int]:
    return [happening.id for happening in happenings]


async def take(follower: AsyncIterator[hp.Happening], count: int) -> list[hp.Happening]:
    async with asyncio.timeout(DEADLINE_S):
        return [await anext(follower) for _ in range(count)]


# --- following --------------------------------------------------------------------------------------------------------


async def test_a_follower_is_told_what_happens_from_then_on() -> None:
    """In order, as it happens, and not what was before."""
    feed = Feed()
    warned(feed, 1)
    follower = feed.follow()
    waiting = asyncio.ensure_future(take(follower, 2))
    await asyncio.sleep(0)
    warned(feed, 2, 3)
    assert ids(await waiting) == [2, 3]


async def test_a_follower_who_comes_back_is_told_what_it_missed() -> None:
    """From the number it had, whatever happened since; then what comes."""
    feed = Feed()
    warned(feed, 1, 2, 3)
    follower = feed.follow(1)
    assert ids(await take(follower, 2)) == [2, 3]
    warned(feed, 4)
    assert ids(await take(follower, 1)) == [4]


async def test_a_follower_who_comes_back_too_late_is_told_how_many_are_gone() -> None:
    """And gets what is left. The gap has the number of the last one in it."""
    feed = Feed()
    warned(feed, *range(RING + 5))
    gap, oldest = await take(feed.follow(2), 2)
    assert isinstance(gap, hp.EventsMissed)
    assert (gap.count, gap.id, oldest.id) == (3, 5, 6)
    assert len(feed.since(2)) == RING + 1
    assert ids(feed.since(5))[0] == 6  # as one who goes on from the gap


async def test_a_slow_follower_holds_nothing_up_and_is_told_of_the_gap() -> None:
    """It goes on with the oldest that is kept."""
    feed = Feed()
    slow, quick = feed.follow(0), feed.follow(0)
    warned(feed, 1)
    assert ids(await take(slow, 1)) == ids(await take(quick, 1)) == [1]
    for number in range(2, 2 * RING):
        warned(feed, number)
        assert ids(await take(quick, 1)) == [number]
    gap = (await take(slow, 1))[0]
    assert isinstance(gap, hp.EventsMissed)
    assert (gap.count, gap.id) == (RING - 2, RING - 1)
    assert ids(await take(slow, RING)) == list(range(RING, 2 * RING))


@pytest.mark.parametrize("after", [7, 99, BLOCK - 1])
async def test_a_number_of_another_supervisors_event_is_not_taken_for_ours(after: int) -> None:
    """That some may have been missed is told, how many is not known, and all of ours follow."""
    feed = Feed(BLOCK + 1)
    warned(feed, 1, 2)
    gap, *rest = feed.since(after)
    assert isinstance(gap, hp.EventsMissed)
    assert (gap.count, gap.id, ids(rest)) == (None, BLOCK, [BLOCK + 1, BLOCK + 2])
    assert ids(feed.since(gap.id)) == ids(rest)


def test_each_supervisor_begins_with_numbers_of_its_own(folder: Path) -> None:
    """Whatever the one before told."""
    journal = Journal(folder / "supervisor.db")
    assert [first_id(journal) for _ in range(3)] == [1, BLOCK + 1, 2 * BLOCK + 1]
    journal.close()


async def test_followers_leave_when_the_feed_is_closed() -> None:
    """After the last event, those who wait and those who have not read it yet."""
    feed = Feed()
    waiting = asyncio.ensure_future(take(feed.follow(), 2))
    late = feed.follow(0)
    await asyncio.sleep(0)
    warned(feed, 1)
    feed.close()
    with pytest.raises(StopAsyncIteration):
        await waiting
    assert ids([happening async for happening in late]) == [1]
    assert [happening async for happening in feed.follow()] == []


# --- what is told -----------------------------------------------------------------------------------------------------

RECORDS: list[tuple[rec.Record, dict[str, Any]]] = [
    (
        rec.DeploymentBegan("d", 3, DeploymentKind.DEPLOY, BLUE, GREEN),
        {"event": "deployment_began", "deployment": 3, "kind": "deploy", "from_color": "blue", "resumed": False},
    ),
    (
        rec.StepChanged(3, Step.WARM_UP, StepState.DONE, "warm", 7, {"gate": []}),
        {"event": "step_changed", "number": 6, "name": "warm_up", "state": "done", "release": 7, "detail": "warm"}
        | {"title": "standby warmed up", "evidence": {"gate": []}},
    ),
    (rec.StepShown(3, Step.DRAIN, "2 left"), {"event": "step_progressed", "number": 11, "text": "2 left"}),
    (
        rec.RequestEnded("d", Outcome.ROLLED_BACK, "no luck", 3, 7, BLUE),
        {"event": "deployment_ended", "deployment": 3, "kind": "deploy", "outcome": "rolled_back", "reason": "no luck"}
        | {"release": 7, "active": "blue"},
    ),
    (
        rec.RequestEnded("x", Outcome.REFUSED, "busy", active=BLUE),
        {"event": "operation_ended", "outcome": "refused", "reason": "busy"},
    ),
    (
        rec.RouteChanged(GREEN, 7, 6, 3),
        {"event": "route_changed", "active": "green", "release": 7, "previous_release": 6, "deployment": 3},
    ),
    (
        rec.WorkerChanged(BLUE, "blue-1", 6, Phase.READY, Phase.BACKOFF),
        {"event": "worker_changed", "color": "blue", "worker_id": "blue-1", "previous": "ready", "state": "backoff"},
    ),
    (
        rec.WorkerGone(BLUE, "blue-1", -9, False, "killed"),
        {"event": "worker_crashed", "worker_id": "blue-1", "code": None, "signal": "SIGKILL", "reason": "killed"},
    ),
    (rec.WorkerGone(BLUE, "blue-1", 3, False, "x"), {"event": "worker_crashed", "code": 3, "signal": None}),
    (rec.WorkerGone(BLUE, "blue-1", None, False, "x"), {"event": "worker_crashed", "code": None, "signal": None}),
    (rec.EdgeChanged(5, 1.0), {"event": "edge_started", "pid": 5}),
    (rec.EdgeChanged(None, reason="killed"), {"event": "edge_ended", "reason": "killed"}),
    (rec.Paused(True), {"event": "paused"}),
    (rec.Paused(False), {"event": "resumed"}),
    (rec.Prewarmed(7), {"event": "prewarmed", "release": 7}),
    (
        rec.BakeBreached(3, GREEN, "stall", "hangs"),
        {"event": "bake_breached", "deployment": 3, "color": "green", "kind": "stall", "reason": "hangs"},
    ),
    (rec.Warned("watch out"), {"event": "warned", "text": "watch out"}),
    (
        rec.WatchDecided("waits", ("model.slots 4 -> 2",), "busy"),
        {"event": "watch_decided", "verdict": "waits", "changes": ["model.slots 4 -> 2"], "reason": "busy"},
    ),
    (
        rec.HookFailed(1, "/x", "warned", 5, "exit code 1"),
        {"event": "hook_failed", "hook": 1, "command": "/x", "hook_event": "warned", "hook_event_id": 5},
    ),
    (
        rec.MonitorChanged(True, "running", 7, 1.5),
        {"event": "monitor_changed", "state": "running", "pid": 7, "reason": ""},
    ),
]


def test_every_record_is_told_with_what_it_says() -> None:
    """Flat, with number and time; and what is told can be read again."""
    feed = Feed(clock=lambda: 1.5)
    for record, _ in RECORDS:
        feed.publish(record)
    for number, (happening, (_, expected)) in enumerate(zip(feed.since(0), RECORDS, strict=True), 1):
        told = msgspec.json.decode(encode(happening))
        assert told | expected | {"id": number, "at": "1970-01-01T00:00:01.500Z"} == told
        assert hp.decode_happening(encode(happening)) == happening
    assert {hp.name_of(happening) for happening in feed.since(0)} | {"events_missed"} == set(hp.NAMES)


def test_no_record_is_forgotten() -> None:
    """Each kind is in the table above, or in the one below."""
    untold: list[rec.Record] = [
        rec.WorkerBegan(BLUE, "b", 1, 1.0, 1),
        rec.WorkerGone(BLUE, "b", 0, True),
        rec.Rejected(2),
    ]
    assert {type(record) for record, _ in RECORDS} | {rec.WorkerBegan, rec.Rejected} == set(get_args(rec.Record))
    feed = Feed()
    for record in untold:
        feed.publish(record)
    assert feed.since(0) == []


def test_the_documentation_has_every_event_with_its_fields() -> None:
    """And no other."""
    text = (ROOT / "docs" / "api.md").read_text().partition("| event | fields beside")[2]
    rows = [row.split("|")[1:3] for row in text.partition("\n\n")[0].splitlines()[2:]]
    described = {name: fields for names, fields in rows for name in re.findall(r"`(\w+)`", names)}
    assert set(described) == set(hp.NAMES)
    for kind in get_args(hp.Happening):
        fields = set(kind.__struct_fields__) - {"id", "at"}
        assert fields <= set(re.findall(r"`(\w+)`", described[hp.name_of(kind)])), kind


def test_steps_and_deployments_are_told_with_their_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that cannot be set; a deployment of which the beginning was not seen has none."""
    now, feed = [100.0], Feed()
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    step, ended = rec.StepChanged(3, Step.BAKE, StepState.DONE), rec.RequestEnded("d", Outcome.SUCCEEDED, "", 3)
    for seconds, record in (
        (0, rec.DeploymentBegan("d", 3, DeploymentKind.SWAP, BLUE, GREEN)),
        (1, rec.StepChanged(3, Step.BAKE, StepState.RUNNING)),
        (2, step),
        (0.5, ended),
        (0, ended),
    ):
        now[0] += seconds
        feed.publish(record)
    _, running, done, first, second = feed.since(0)
    assert isinstance(running, hp.StepUpdated) and isinstance(done, hp.StepUpdated)
    assert isinstance(first, hp.DeploymentEnded) and isinstance(second, hp.DeploymentEnded)
    assert (running.seconds, done.seconds, first.seconds, first.kind) == (None, 2.0, 3.5, "swap")
    assert (second.seconds, second.kind) == (None, None)
