"""The status: the planner's truth, joined with what can be learned at once; it never fails."""

import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from disposable.ports import reserved_ports
from tests.core.world import BLUE, GREEN
from tests.support.control_plane import Desk, client, desk
from tests.support.scripted_worker import ScriptedWorker, scripted_worker

from modelsvc import __version__
from supervisor.core import records as rec
from supervisor.core.state import DeploymentKind
from supervisor.core.steps import Step, StepState
from supervisor.protocol import Status
from supervisor.releases.store import ModelFile, Release


@pytest.fixture
async def blue() -> AsyncIterator[ScriptedWorker]:
    async with scripted_worker() as worker:
        worker.answers["/health/deep"] = (200, {"requests": {"in_flight": 2}})
        yield worker


@pytest.fixture
async def asked(folder: Path, blue: ScriptedWorker) -> AsyncIterator[Desk]:
    """Blue serves; nobody is at green's port."""
    with reserved_ports(1) as (nobody,):
        async with desk(folder, {BLUE: blue.port, GREEN: nobody}) as asked:
            yield asked


async def test_what_serves_and_what_does_not(asked: Desk) -> None:
    """Each colour with what is known of it."""
    found = await asked.status.report()
    serving, absent = found.workers[BLUE], found.workers[GREEN]

    assert (found.version, found.pid, found.active, found.deployment) == (__version__, os.getpid(), BLUE, None)
    assert (found.state_dir, found.config) == (str(asked.paths.root), None)
    assert (serving.state, serving.wanted, serving.release, serving.in_flight) == ("ready", True, 1, 2)
    assert (serving.worker_id, serving.port) == ("blue-1", asked.status.edge.options.ports[BLUE])
    assert (absent.state, absent.wanted, absent.pid, absent.in_flight) == ("absent", False, None, None)
    assert (found.edge.state, found.edge.pid, found.edge.swap) == ("running", None, "keepalive_min_timeout")


async def test_it_survives_the_wire(asked: Desk) -> None:
    """The client reads it as the daemon meant it."""
    async with client(asked) as api:
        answer = await api.get("/status")
    sent, received = await asked.status.report(), msgspec.json.decode(answer.content, type=Status)

    assert msgspec.structs.replace(received, uptime_s=0.0) == msgspec.structs.replace(sent, uptime_s=0.0)


@pytest.mark.parametrize("answer", [{"x": 1}, {"requests": None}, {"requests": {}}, [1], 7, b"<html>"], ids=str)
async def test_a_stranger_on_a_workers_port_does_not_break_it(
    asked: Desk, blue: ScriptedWorker, answer: object
) -> None:
    """What only the worker could tell is left out."""
    blue.answers["/health/deep"] = (200, answer)
    assert (await asked.status.report()).workers[BLUE].in_flight is None


async def test_a_worker_that_hangs_does_not_hold_it_up(asked: Desk, blue: ScriptedWorker) -> None:
    """A status is for when something is wrong: it takes a fraction of a second."""
    blue.answers["/health/deep"] = None
    started = time.monotonic()
    found = await asked.status.report()

    assert time.monotonic() - started < 2
    assert (found.workers[BLUE].state, found.workers[BLUE].in_flight) == ("ready", None)


async def test_a_process_that_is_gone_has_no_memory(asked: Desk) -> None:
    """The planner may not know yet."""
    found = await asked.status.report()

    assert found.workers[BLUE].rss_bytes is None
    assert found.memory.shared_bytes == 0
    assert found.memory.used_bytes > 10**6, "this process, the supervisor, is counted"
    assert found.memory.budget_bytes == 8_000_000_000


async def test_the_release_that_serves(asked: Desk) -> None:
    """In short; one whose record is gone is left out."""
    assert (await asked.status.report()).release is None
    model = ModelFile("/m.gguf", "ab", 5, 6, 7)
    settings = {"slots": 2, "kv_cache": "f16", "allowed_hosts": ["localhost"]}
    asked.status.releases.write(Release(1, "2026-01-01T00:00:00Z", "0.1.0", model, settings))
    release = (await asked.status.report()).release

    assert release is not None
    assert (release.number, release.model_path, release.model_size_bytes) == (1, "/m.gguf", 5)
    assert release.settings == {"slots": 2, "kv_cache": "f16"}


async def test_how_a_worker_last_ended(asked: Desk) -> None:
    """For the operator who comes too late."""
    asked.journal.write(rec.WorkerBegan(GREEN, "green-9", 1, 1.0, 1))
    asked.journal.write(rec.WorkerGone(GREEN, "green-9", -11, False, "was killed"))
    found = (await asked.status.report()).workers[GREEN].last_exit

    assert found is not None
    assert (found.code, found.signal) == (None, "SIGSEGV")


async def test_the_deployment_under_way_with_its_steps(asked: Desk) -> None:
    """As far as it has come."""
    asked.world.deploy()
    running = asked.world.current.id
    asked.journal.write(rec.DeploymentBegan("d", running, DeploymentKind.DEPLOY, BLUE, GREEN))
    asked.journal.write(rec.StepChanged(running, Step.CHECK_ACTIVE, StepState.RUNNING))
    found = (await asked.status.report()).deployment

    assert found is not None
    assert (found.deployment, found.outcome, [step.state for step in found.steps]) == (running, None, ["running"])


async def test_a_deployment_that_waits_to_be_resumed_is_under_way(asked: Desk) -> None:
    """History shows it unfinished, so status must not say that there is none."""
    asked.world.deploy()
    state = asked.world.state
    asked.journal.write(rec.DeploymentBegan("d", state.current.id, DeploymentKind.DEPLOY, BLUE, GREEN))
    asked.world.state = replace(state, deployment=None, resumed=state.deployment)
    found = (await asked.status.report()).deployment

    assert found is not None and found.deployment == state.current.id
