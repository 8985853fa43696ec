"""What the planner is told when an effect comes to an end that nobody foresaw."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from supervisor.core import effects as fx
from supervisor.core import events as ev
from supervisor.core.state import Color
from supervisor.executor import Executor


class Defective:
    """In place of the edge and the workforce: whatever it is asked to do fails in an unforeseen way."""

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: object) -> None:
            raise RuntimeError(f"no {name}")

        return fail


@pytest.fixture
def posted() -> list[ev.Event]:
    return []


@pytest.fixture
def executor(posted: list[ev.Event]) -> Executor:
    defective: Any = Defective()
    return Executor(posted.append, (), defective, defective, defective, defective)


async def settled(executor: Executor) -> None:
    await asyncio.wait_for(asyncio.gather(*executor._tasks, return_exceptions=True), 10)
    await asyncio.sleep(0)


async def test_an_nginx_that_could_not_be_started_is_told_as_ended(executor: Executor, posted: list[ev.Event]) -> None:
    """So that it is tried again."""
    executor.perform(fx.StartEdge())
    await settled(executor)
    [ended] = posted
    assert isinstance(ended, ev.EdgeEnded)
    assert "a defect of modelsvc: RuntimeError('no start')" in ended.reason


async def test_an_admission_that_fails_in_an_unforeseen_way_refuses_the_worker(
    executor: Executor, posted: list[ev.Event]
) -> None:
    """Whoever asked for it waits for an answer."""
    executor.perform(fx.AdmitWorker(Color.GREEN, "r", 3))
    await settled(executor)
    [refused] = posted
    assert isinstance(refused, ev.WorkerRefused) and (refused.color, refused.request) == (Color.GREEN, "r")
    assert "a defect of modelsvc" in refused.reason


async def test_what_fails_without_anybody_waiting_for_it_is_logged(
    executor: Executor,
) -> None:
    """The planner cannot be told; an operator can."""
    with capture_logs() as lines:
        executor.perform(fx.StopEdge(1.0))
        await settled(executor)
    [line] = lines
    assert (line["event"], str(line["exc_info"])) == ("effect_crashed", "no stop")
