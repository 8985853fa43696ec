"""Who watches: streams for those who wait, lines for the log."""

import asyncio
import time
from pathlib import Path
from typing import get_args

import pytest
import structlog

from supervisor import protocol
from supervisor.core import records as rec
from supervisor.core.state import Color, DeploymentKind, Outcome
from supervisor.core.steps import Step, StepState
from supervisor.errors import JournalError
from supervisor.journal import Journal
from supervisor.telemetry import Hub, Journaling, Log, Narrator

BLUE, GREEN = Color.BLUE, Color.GREEN
BEGAN = rec.DeploymentBegan("d", 3, DeploymentKind.DEPLOY, BLUE, GREEN)
STEPS = (
    rec.StepChanged(3, Step.CHECK_ACTIVE, StepState.RUNNING),
    rec.StepChanged(3, Step.CHECK_ACTIVE, StepState.DONE, "blue is ready"),
)
SHOWN = rec.StepShown(3, Step.CHECK_EDGE, "asking")
ENDED = rec.RequestEnded("d", Outcome.SUCCEEDED, "", 3, 7, GREEN)


async def stream(hub: Hub, request: str, *records: rec.Record) -> list[protocol.StreamEvent]:
    """What somebody who waits for `request` is told when these are published."""
    with hub.subscribe(request) as events:
        for record in records:
            hub.publish(record)
        return [event async for event in events]


# --- streams ----------------------------------------------------------------------------------------------------------


async def test_a_deployment_is_told_from_its_acceptance_to_its_end() -> None:
    """The stream ends by itself with Finished, which has all the steps."""
    accepted, running, done, shown, finished = await stream(Hub(), "d", BEGAN, *STEPS, SHOWN, ENDED)

    assert isinstance(accepted, protocol.Accepted)
    assert (accepted.deployment, accepted.from_color, accepted.to_color) == (3, BLUE, GREEN)
    assert [step.number for step in accepted.steps] == list(range(1, 14))
    assert {step.state for step in accepted.steps} == {StepState.PENDING}
    assert isinstance(running, protocol.StepChanged)
    assert (running.step.name, running.step.state, running.step.seconds) == ("check_active", StepState.RUNNING, None)
    assert isinstance(done, protocol.StepChanged)
    assert (done.step.state, done.step.detail) == (StepState.DONE, "blue is ready")
    assert shown == protocol.Progress(deployment=3, number=2, text="asking")
    assert isinstance(finished, protocol.Finished)
    assert (finished.outcome, finished.deployment, finished.release, finished.active) == (
        *(Outcome.SUCCEEDED, 3, 7, GREEN),
    )
    assert [step.state for step in finished.steps[:2]] == [StepState.DONE, StepState.PENDING]


async def test_every_event_travels_as_one_line() -> None:
    """And comes out as it went in."""
    for event in await stream(Hub(), "d", BEGAN, *STEPS, SHOWN, ENDED):
        line = protocol.encode(event)
        assert b"\n" not in line
        assert protocol.decode_event(line) == event


async def test_concurrent_requests_are_told_only_their_own() -> None:
    """One that is refused meanwhile has its answer at once; nobody waits for anybody else's."""
    hub = Hub()
    with hub.subscribe("d") as deploying, hub.subscribe("other") as refused, hub.subscribe("stop") as stopping:
        for record in (
            BEGAN,
            rec.RequestEnded("other", Outcome.REFUSED, "busy", active=BLUE),
            *STEPS,
            rec.RequestEnded("stop", Outcome.SUCCEEDED, active=BLUE),
            ENDED,
        ):
            hub.publish(record)
        told = [[event async for event in events] for events in (deploying, refused, stopping)]

    assert [len(events) for events in told] == [4, 1, 1]
    (answer,) = told[1]
    assert isinstance(answer, protocol.Finished)
    assert (answer.outcome, answer.reason, answer.deployment, answer.steps) == (Outcome.REFUSED, "busy", None, [])


async def test_events_are_told_as_they_happen() -> None:
    """Not when all is over."""
    hub = Hub()
    with hub.subscribe("d") as events:
        hub.publish(BEGAN)
        first = await asyncio.wait_for(anext(events), 5)
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        assert not waiting.done()
        hub.publish(SHOWN)
        second = await asyncio.wait_for(waiting, 5)

    assert isinstance(first, protocol.Accepted)
    assert isinstance(second, protocol.Progress)


async def test_nobody_need_wait() -> None:
    """A deployment of the supervisor's own, or a client that went away: the next one is told all the same."""
    hub = Hub()
    with hub.subscribe("d"):
        hub.publish(BEGAN)
    for record in (*STEPS, SHOWN, ENDED, rec.RequestEnded("boot", Outcome.SUCCEEDED)):
        hub.publish(record)
    again = rec.DeploymentBegan("e", 4, DeploymentKind.ROLLBACK, GREEN, BLUE)

    accepted, finished = await stream(hub, "e", again, rec.RequestEnded("e", Outcome.ROLLED_BACK, "x", 4))
    assert isinstance(accepted, protocol.Accepted)
    assert isinstance(finished, protocol.Finished)
    assert (accepted.deployment, finished.outcome) == (4, Outcome.ROLLED_BACK)


async def test_records_that_concern_no_request_are_not_told() -> None:
    """Workers and nginx come and go."""
    others = (
        rec.WorkerBegan(BLUE, "blue-1", 1, 1.0, 1),
        rec.WorkerGone(BLUE, "blue-1", 0, True),
        rec.EdgeChanged(5),
        rec.RouteChanged(GREEN, 7, 6),
    )
    assert len(await stream(Hub(), "d", *others, BEGAN, *others, ENDED)) == 2


def test_a_step_takes_from_its_beginning_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deployment from its acceptance; by a clock that cannot be set."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    narrator = Narrator(BEGAN)

    def at(moment: float, step: Step, state: StepState) -> float | None:
        now[0] = moment
        return narrator.step(rec.StepChanged(3, step, state)).step.seconds

    assert at(101, Step.CHECK_ACTIVE, StepState.RUNNING) is None
    assert at(101.25, Step.CHECK_ACTIVE, StepState.DONE) == 0.25
    assert at(102, Step.ADMIT, StepState.SKIPPED) is None
    assert at(103, Step.WARM_UP, StepState.RUNNING) is None
    assert at(105, Step.WARM_UP, StepState.FAILED) == 2
    now[0] = 107.5
    finished = narrator.finished(rec.RequestEnded("d", Outcome.ROLLED_BACK, "no luck", 3))
    assert (finished.seconds, finished.reason, finished.steps[5].seconds) == (7.5, "no luck", 2)


# --- journal and log --------------------------------------------------------------------------------------------------


def test_a_record_that_cannot_be_kept_is_an_error(folder: Path) -> None:
    """It reaches the loop, before the sinks behind this one are told and before anything is done."""
    journal = Journal(folder / "supervisor.db")
    Journaling(journal).publish(BEGAN)
    assert journal.last_deployment() == 3
    journal.close()
    with pytest.raises(JournalError):
        Journaling(journal).publish(ENDED)


def test_no_records_field_is_the_logs_own() -> None:
    """It could not be written."""
    for kind in get_args(rec.Record):
        assert not {"event", "level", "timestamp", "exception"} & set(kind.__slots__), kind


def test_every_record_is_a_line_in_the_log() -> None:
    """With what it says, without what it does not; progress is only for those who watch."""
    with structlog.testing.capture_logs() as lines:
        for record in (BEGAN, SHOWN, rec.EdgeChanged(None, reason="killed")):
            Log().publish(record)

    assert [line["event"] for line in lines] == ["DeploymentBegan", "EdgeChanged"]
    assert (lines[0]["deployment"], lines[0]["to_color"]) == (3, GREEN)
    assert "pid" not in lines[1]
    assert lines[1]["reason"] == "killed"
