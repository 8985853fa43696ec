"""The gate, against workers that answer what the test wants."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from disposable.ports import reserved_ports
from tests.support.scripted_worker import ScriptedWorker, scripted_worker

from supervisor.core.gate import Check
from supervisor.core.state import Color
from supervisor.errors import WorkerError
from supervisor.steps.gate import Gate
from supervisor.workers.probe import Probe

BLUE, GREEN = Color.BLUE, Color.GREEN
SAME = Check("Who?", same_as_active=True)


def says(text: str, sha256: str = "ab") -> dict[str, Any]:
    timings = {"first_token_seconds": 0.1, "tokens_per_second": 9.0}
    chat = {"response": text, "usage": {"completion_tokens": 3}, "timings": timings}
    return {"/chat": (200, chat), "/health/deep": (200, {"model": {"sha256": sha256}})}


@pytest.fixture
async def workers() -> AsyncIterator[dict[Color, ScriptedWorker]]:
    async with scripted_worker() as blue, scripted_worker() as green:
        yield {BLUE: blue, GREEN: green}


@pytest.fixture
async def probe(workers: dict[Color, ScriptedWorker]) -> AsyncIterator[Probe]:
    probe = Probe({color: worker.port for color, worker in workers.items()}, "http://127.0.0.1:1")
    yield probe
    await probe.close()


async def test_the_same_weights_must_say_the_same(workers: dict[Color, ScriptedWorker], probe: Probe) -> None:
    """The active worker is asked too, and only for this."""
    workers[BLUE].answers, workers[GREEN].answers = says("I."), says("You.")
    with pytest.raises(
        WorkerError, match=r"gate 'Who\?': expected the active worker's answer 'I.*got 'You.'"
    ) as caught:
        await Gate(probe, lambda: (SAME,)).run(GREEN, BLUE)
    assert (caught.value.code, caught.value.transient) == ("gate_failed", False)
    workers[BLUE].asked.clear()
    (evidence,) = await Gate(probe, lambda: (Check("Who?", expect="You"),)).run(GREEN, BLUE)
    assert evidence["passed"] and not workers[BLUE].asked


async def test_other_weights_are_not_compared(workers: dict[Color, ScriptedWorker], probe: Probe) -> None:
    """The record says so."""
    workers[BLUE].answers, workers[GREEN].answers = says("I."), says("You.", sha256="cd")
    (evidence,) = await Gate(probe, lambda: (SAME,)).run(GREEN, BLUE)
    assert evidence["skipped"] == "not compared with the active worker: it serves another model file"
    assert [path for path, _ in workers[BLUE].asked] == ["/health/deep"]


async def test_without_an_active_worker_nothing_is_compared(workers: dict[Color, ScriptedWorker]) -> None:
    """None, or one that does not answer: it may be why one deploys."""
    workers[GREEN].answers = says("You.")
    with reserved_ports(1) as (nobody,):
        probe = Probe({BLUE: nobody, GREEN: workers[GREEN].port}, "http://127.0.0.1:1")
        for active in (None, BLUE):
            (evidence,) = await Gate(probe, lambda: (SAME,)).run(GREEN, active)
            assert str(evidence["skipped"]).startswith("not compared with the active worker")
        await probe.close()


async def test_nonsense_fails_the_gate(workers: dict[Color, ScriptedWorker], probe: Probe) -> None:
    workers[GREEN].answers = {"/chat": (200, {"response": "You."})}
    with pytest.raises(WorkerError, match="answered a gate prompt with nonsense"):
        await Gate(probe, lambda: (Check("Who?"),)).run(GREEN, None)
