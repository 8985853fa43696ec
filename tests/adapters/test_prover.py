"""The proof of step 6, of a real process that maps a real file, whatever its worker tells."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from tests.core.world import BLUE, first
from tests.support.scripted_worker import ScriptedWorker, scripted_worker

from modelsvc.models import demo_model_path
from supervisor.config import Config, ModelSection
from supervisor.core.state import State
from supervisor.errors import WorkerError
from supervisor.journal import Journal
from supervisor.memory.appraisal import Appraiser
from supervisor.memory.holdings import Holdings
from supervisor.paths import StatePaths
from supervisor.processes import started_at
from supervisor.releases import model_file
from supervisor.releases.store import Release, ReleaseStore
from supervisor.startup import lay_out
from supervisor.steps.prover import Prover
from supervisor.workers.probe import Probe
from supervisor.workers.process import WorkerProcesses
from supervisor.workers.worker_ports import WorkerPorts
from supervisor.workers.workforce import Workforce

SIZE = demo_model_path().stat().st_size
MAPS = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    held = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
for page in range(0, len(held), mmap.PAGESIZE):
    held[page]
"""
HOLDS = "own = bytearray(200_000_000)\n"
SAYS = "print('holds', flush=True)\nsys.stdin.read()\n"


@dataclass
class Stage:
    """Blue is a process of the test, of release 1, which is the demo model."""

    prover: Prover
    processes: WorkerProcesses
    worker: ScriptedWorker
    state: State

    async def run(self, program: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-c", f"import sys\n{program}{SAYS}", str(demo_model_path()))
        child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        assert child.stdout is not None
        assert await child.stdout.readline() == b"holds\n"
        worker_id = self.state.slots[BLUE].worker_id
        assert worker_id is not None
        self.processes.adopt(worker_id, child.pid, started_at(psutil.Process(child.pid)))
        return child

    def tells(self, mapped: int = SIZE, copied: int = 0, repacked: bool = False) -> None:
        model = {"mapped_bytes": mapped, "copied_bytes": copied, "repacked": repacked}
        self.worker.answers["/health/deep"] = (200, {"model": model})


@pytest.fixture
async def stage(folder: Path) -> AsyncIterator[Stage]:
    paths, state = StatePaths(folder / "s"), first().state
    lay_out(paths)
    releases, config, journal = ReleaseStore(paths.releases), Config(), Journal(paths.journal)
    settings = ModelSection(context_tokens=1024).model_dump(exclude={"path"})
    releases.write(Release(1, "2026-01-01T00:00:00Z", "0.1.0", await model_file.identify(demo_model_path()), settings))
    processes = WorkerProcesses(paths.logs, paths.notify_socket, lambda worker_id, code: None)
    workforce = Workforce(config, WorkerPorts(config), paths, releases, processes)
    appraiser = Appraiser(config, journal, Holdings(workforce, lambda: None), lambda: state)
    async with scripted_worker() as worker:
        probe = Probe({BLUE: worker.port}, "http://127.0.0.1:1")
        yield Stage(Prover(probe, workforce, appraiser, lambda: state), processes, worker, state)
        await probe.close()
    journal.close()


async def ended(child: asyncio.subprocess.Process) -> None:
    child.kill()
    await child.communicate()


async def test_a_worker_that_maps_the_file_is_proven_and_observed(stage: Stage) -> None:
    """With what the system shows, where it does; the observation is for later forecasts."""
    stage.tells()
    child = await stage.run(MAPS)
    try:
        proven = await stage.prover.prove(BLUE)
    finally:
        await ended(child)
    sharing = proven.evidence["sharing"]
    assert isinstance(sharing, dict)

    assert (sharing["mapped_bytes"], sharing["copied_bytes"], sharing["shared_with"]) == (SIZE, 0, [])
    assert "2 MB of weights mapped" in proven.detail
    if psutil.LINUX:
        assert sharing["resident_of_file_bytes"] >= SIZE * 0.9
        assert sharing["private_copies_of_file_bytes"] == 0
        seen = proven.evidence["observation"]
        assert isinstance(seen, dict)
        assert seen["measured_bytes"] == sharing["private_bytes"] > 0
        assert seen["settings"] == {"context_tokens": 1024, "slots": 4, "kv_cache": "f16", "gpu_layers": "auto"}


async def test_a_worker_that_says_it_copied_is_refused(stage: Stage) -> None:
    """By name, with the numbers."""
    stage.tells(copied=SIZE, repacked=True)
    child = await stage.run(MAPS)
    try:
        with pytest.raises(WorkerError, match=r"the blue worker does not share its weights: it copied 2 MB") as caught:
            await stage.prover.prove(BLUE)
    finally:
        await ended(child)
    assert caught.value.code == "weights_not_shared"


@pytest.mark.skipif(not psutil.LINUX, reason="only Linux shows it")
@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("", "read the file instead of mapping it"),
        (MAPS + HOLDS, r"holds 2\d\d MB of its own, and \d+ MB were forecast"),
    ],
    ids=["reads", "holds too much"],
)
async def test_a_worker_that_says_it_shares_and_does_not_is_found_out(stage: Stage, program: str, reason: str) -> None:
    """The system is asked, and not only the worker."""
    stage.tells()
    child = await stage.run(program)
    try:
        with pytest.raises(WorkerError, match=reason):
            await stage.prover.prove(BLUE)
    finally:
        await ended(child)


async def test_without_a_process_the_load_alone_is_judged(stage: Stage) -> None:
    """It may vanish meanwhile: whoever watches it will say so."""
    stage.tells()
    proven = await stage.prover.prove(BLUE)
    assert "observation" not in proven.evidence
