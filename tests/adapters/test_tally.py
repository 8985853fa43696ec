"""Requests during a deployment, from the counters of workers that come and go."""

from collections.abc import AsyncIterator, Mapping

import pytest
from disposable.ports import reserved_ports
from tests.support.scripted_worker import ScriptedWorker, scripted_worker

from supervisor.core.state import Color
from supervisor.steps.tally import Tally, summary
from supervisor.workers.probe import Probe

BLUE, GREEN = Color.BLUE, Color.GREEN


class CountingEdge:
    """`failure` is raised instead of an answer."""

    def __init__(self, failure: Exception | None = None) -> None:
        self._failure = failure

    def mark(self) -> object:
        return 7

    async def tally(self, mark: object) -> Mapping[str, object]:
        if self._failure:
            raise self._failure
        return {"requests": 12, "failed": 0, "since": mark}


@pytest.fixture
async def blue() -> AsyncIterator[ScriptedWorker]:
    async with scripted_worker() as worker:
        yield worker


@pytest.fixture
async def green() -> AsyncIterator[ScriptedWorker]:
    async with scripted_worker() as worker:
        yield worker


@pytest.fixture
async def probe(blue: ScriptedWorker, green: ScriptedWorker) -> AsyncIterator[Probe]:
    probe = Probe({BLUE: blue.port, GREEN: green.port}, "http://127.0.0.1:1")
    yield probe
    await probe.close()


def counts(worker: ScriptedWorker, worker_id: str, total: int, failed: int = 0) -> None:
    worker.answers["/health/deep"] = (200, {"worker_id": worker_id, "requests": {"total": total, "failed": failed}})


def silent(worker: ScriptedWorker) -> None:
    worker.answers["/health/deep"] = (503, b"")


async def test_both_colours_count_from_where_they_began(
    blue: ScriptedWorker, green: ScriptedWorker, probe: Probe
) -> None:
    """Earlier requests, and those of the warm-up, are not of clients during the deployment."""
    tally = Tally(probe)
    counts(blue, "blue-1", 100, 3)
    silent(green)
    await tally.begin()
    counts(green, "green-2", 2)
    await tally.warmed_up(GREEN)
    counts(blue, "blue-1", 130, 4)
    counts(green, "green-2", 22)
    found = await tally.end()

    assert found["requests"] == {"during": 50, "failed": 1, "reason": ""}
    assert summary(found) == "50 request(s) during the deployment, 1 failed"


async def test_a_worker_that_is_gone_counts_as_last_seen(
    blue: ScriptedWorker, green: ScriptedWorker, probe: Probe
) -> None:
    """The old one is looked at when it has drained; and a new worker in its slot is another one."""
    tally = Tally(probe)
    counts(blue, "blue-1", 10)
    counts(green, "green-2", 0)
    await tally.begin()
    counts(blue, "blue-1", 15, 1)
    await tally.look()
    silent(blue)
    found = await tally.end()

    assert found["requests"] == {"during": 5, "failed": 1, "reason": "blue counted up to its last look only"}


async def test_what_could_not_be_counted_is_null_with_the_reason(
    blue: ScriptedWorker, green: ScriptedWorker, probe: Probe
) -> None:
    """And never zero."""
    silent(blue)
    silent(green)
    adopted, mute = Tally(probe), Tally(probe)
    await mute.begin()
    first, second = await adopted.end(), await mute.end()

    assert first["requests"] == {
        "during": None,
        "failed": None,
        "reason": "the supervisor was started during the deployment",
    }
    assert second["requests"] == {"during": None, "failed": None, "reason": "no worker told its counters"}
    assert summary(second) == "requests not counted: no worker told its counters"
    assert first["edge"] == {"during": None, "failed": None, "reason": "the edge does not count"}


async def test_the_edge_counts_between_two_moments(blue: ScriptedWorker, probe: Probe) -> None:
    """What it tells is kept as it is; an edge that fails undoes nothing."""
    counts(blue, "blue-1", 1)
    able, unable = Tally(probe, CountingEdge()), Tally(probe, CountingEdge(OSError("no log")))
    await able.begin()
    await unable.begin()

    assert (await able.end())["edge"] == {"requests": 12, "failed": 0, "since": 7}
    broken = (await unable.end())["edge"]
    assert isinstance(broken, dict) and "no log" in broken["reason"] and broken["failed"] is None


async def test_each_deployment_counts_anew(blue: ScriptedWorker) -> None:
    """Nothing is carried over from the one before."""
    with reserved_ports(1) as (nobody,):
        probe = Probe({BLUE: blue.port, GREEN: nobody}, "http://127.0.0.1:1")
        tally = Tally(probe)
        for total in (5, 9):
            counts(blue, "blue-1", total)
            await tally.begin()
            assert (await tally.end())["requests"] == {"during": 0, "failed": 0, "reason": ""}
        await probe.close()
