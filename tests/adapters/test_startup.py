"""Before the loop runs: the folder, what an earlier supervisor left, and what is booted."""

import asyncio
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
from tests.support.scripted_worker import scripted_worker

from modelsvc.models import demo_model_path
from supervisor import processes
from supervisor.config import Config, ModelSection, SecuritySection
from supervisor.core import effects as fx
from supervisor.core import records as rec
from supervisor.core.interrupted import Unfinished
from supervisor.core.state import Boot, Change, Color, DeploymentKind, Outcome, Policy, State
from supervisor.core.steps import Step, StepState
from supervisor.errors import ConfigError, Refused
from supervisor.journal import Journal
from supervisor.memory.appraisal import Appraiser
from supervisor.memory.holdings import Holdings
from supervisor.paths import StatePaths
from supervisor.protocol import ExitCode
from supervisor.releases.baseline import SEEN, Baseline
from supervisor.releases.store import ReleaseStore
from supervisor.startup import Discovery, lay_out
from supervisor.steps.admission import Admission
from supervisor.workers.probe import Probe
from supervisor.workers.process import WorkerProcesses
from supervisor.workers.worker_ports import WorkerPorts
from supervisor.workers.workforce import Workforce

BLUE, GREEN = Color.BLUE, Color.GREEN


# --- the state folder -------------------------------------------------------------------------------------------------


def test_only_the_owner_may_enter_the_state_folder(folder: Path) -> None:
    """Whatever the umask; made as often as needed, and what was in it stays."""
    paths = StatePaths(folder / "deep" / "state")
    previous = os.umask(0)
    try:
        lay_out(paths)
    finally:
        os.umask(previous)
    (paths.run / "x").touch()
    paths.run.chmod(0o755)
    lay_out(paths)

    for made in (paths.root, paths.run, paths.edge, paths.releases, paths.logs):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert (paths.run / "x").exists()


def test_a_folder_that_cannot_be_made_is_an_error(folder: Path) -> None:
    """For root, too: a file stands in the way."""
    (folder / "file").touch()
    for root in (folder / "file", folder / "file" / "below"):
        with pytest.raises(ConfigError, match=f"the state folder {root} cannot be used.*set MODELSVC_HOME") as caught:
            lay_out(StatePaths(root))
        assert caught.value.exit_code is ExitCode.MISUSE


def test_a_folder_too_deep_for_sockets_is_an_error(folder: Path) -> None:
    """Before anything is made."""
    root = folder / ("x" * 100)
    with pytest.raises(ConfigError, match="set MODELSVC_HOME") as caught:
        lay_out(StatePaths(root))
    assert caught.value.code == "socket_path_too_long"
    assert not root.exists()


# --- what an earlier supervisor left ----------------------------------------------------------------------------------


@dataclass
class Past:
    """A state folder with a journal and releases, and the configuration as it is now."""

    paths: StatePaths
    journal: Journal
    model: Path
    configured: ModelSection
    security: SecuritySection = field(default_factory=SecuritySection)
    adopted: list[str] = field(default_factory=list)

    def discovery(self, probe: Probe | None = None) -> Discovery:
        config = Config(model=self.configured, security=self.security)
        processes = WorkerProcesses(self.paths.logs, self.paths.notify_socket, lambda worker_id, code: None)
        releases = ReleaseStore(self.paths.releases)
        holdings = Holdings(Workforce(config, WorkerPorts(config), self.paths, releases, processes), lambda: None)
        baseline = Baseline(self.journal, releases, lambda: self.configured)
        admission = Admission(
            config, self.paths, releases, baseline, Appraiser(config, self.journal, holdings, lambda: State())
        )
        probe = probe or Probe({BLUE: 1, GREEN: 1}, "http://127.0.0.1:1")
        return Discovery(self.journal, admission, probe, WorkerPorts(config), self.adopt)

    def adopt(self, worker_id: str, pid: int, created_at: float) -> bool:
        self.adopted.append(worker_id)
        return processes.find(pid, created_at) is not None

    async def served(self, number: int, change: Change | None = None, color: Color = BLUE) -> None:
        """A release was admitted, and served last."""
        admission = self.discovery().admission
        await admission.admit(fx.Admit(1, color, change or Change(), None, number))
        self.journal.write(rec.RouteChanged(color, number, None))
        self.ended(number)

    def ended(
        self,
        release: int,
        outcome: Outcome = Outcome.SUCCEEDED,
        kind: DeploymentKind = DeploymentKind.DEPLOY,
        skipped: Step | None = None,
        meanwhile: Callable[[], None] | None = None,
        request: str = "r",
    ) -> None:
        """The last deployment was of that kind, and ended so."""
        number = self.journal.last_deployment() + 1
        began = rec.DeploymentBegan(request, number, kind, BLUE, BLUE)
        self.journal.write(began)
        self.discovery().admission.baseline.publish(began)
        if meanwhile:
            meanwhile()
        if skipped:
            self.journal.write(rec.StepChanged(number, skipped, StepState.SKIPPED))
        self.discovery().admission.baseline.publish(rec.RequestEnded(request, outcome, "", number, release, BLUE))

    def configure(self, **changes: object) -> None:
        self.configured = ModelSection.model_validate({**self.configured.model_dump(), **changes})


@pytest.fixture
def past(folder: Path) -> Iterator[Past]:
    paths = StatePaths(folder / "s")
    lay_out(paths)
    model = Path(shutil.copy(demo_model_path(), folder / "m.gguf"))
    with closing(Journal(paths.journal)) as journal:
        yield Past(paths, journal, model, ModelSection(path=str(model), context_tokens=512))


async def test_a_new_folder_boots_what_is_configured(past: Past) -> None:
    """On blue, as a release to be made."""
    assert await past.discovery().boot() == Boot(BLUE)


async def test_what_served_last_is_booted_again(past: Past) -> None:
    """The same release on the same colour, with what a deployment changed in it."""
    await past.served(4, Change(settings={"model.slots": 2}), GREEN)
    assert await past.discovery().boot() == Boot(GREEN, release=4)


async def test_an_edited_configuration_is_booted_as_a_new_release(past: Past) -> None:
    """The operator edited the file and restarted: that is what they want."""
    await past.served(4, Change(settings={"model.slots": 2}))
    past.configure(context_tokens=1024)
    boot = await past.discovery().boot()

    assert (boot.color, boot.release, boot.change.path) == (BLUE, None, str(past.model))
    assert (boot.change.settings["model.context_tokens"], boot.change.settings["model.slots"]) == (1024, 4)


async def test_a_rollback_outlives_a_restart(past: Past) -> None:
    """It came after the edit that it went back from, so it counts more; the next edit counts again."""
    await past.served(2)
    past.configure(context_tokens=1024)
    await past.served(3)
    past.journal.write(rec.RouteChanged(BLUE, 2, 3))
    past.ended(2, kind=DeploymentKind.ROLLBACK)
    assert await past.discovery().boot() == Boot(BLUE, release=2)

    past.configure(slots=1)
    assert (await past.discovery().boot()).change.settings["model.slots"] == 1


async def test_an_edit_that_failed_to_deploy_is_still_to_come(past: Past) -> None:
    """Only what succeeded is settled."""
    await past.served(2)
    past.configure(context_tokens=1024)
    past.ended(2, Outcome.ROLLED_BACK)
    assert (await past.discovery().boot()).change.settings["model.context_tokens"] == 1024


async def test_an_edit_after_a_prewarming_is_still_to_come(past: Past) -> None:
    """What is deployed then was made from the section as it was before the edit."""
    await past.served(2)
    past.ended(3, kind=DeploymentKind.PREWARM)
    past.configure(context_tokens=1024)
    past.ended(3, skipped=Step.ADMIT)
    assert (await past.discovery().boot()).change.settings["model.context_tokens"] == 1024


async def test_what_is_prewarmed_again_was_made_from_the_section_of_then(past: Past) -> None:
    """An edit between the two is still to come, although it was there when the second one began."""
    await past.served(2)
    past.ended(3, kind=DeploymentKind.PREWARM)
    past.configure(context_tokens=1024)
    past.ended(3, kind=DeploymentKind.PREWARM, request="rewarm")
    past.ended(3, skipped=Step.ADMIT)
    assert (await past.discovery().boot()).change.settings["model.context_tokens"] == 1024


async def test_a_key_that_there_was_not_yet_is_no_edit(past: Past) -> None:
    """What was deployed by a command outlives a version with another key."""
    await past.served(2, Change(None, {"model.slots": 3}))
    seen = past.journal.fact(SEEN)
    past.journal.remember(SEEN, {key: value for key, value in seen.items() if key != "system_prompt"})
    assert past.discovery().admission.baseline.section(2).slots == 3
    past.configure(system_prompt="Be brief.")
    assert past.discovery().admission.baseline.section(2).slots != 3


@pytest.mark.parametrize("kind", [DeploymentKind.PREWARM, DeploymentKind.FAILOVER, DeploymentKind.REPLACE])
async def test_what_nobody_asked_to_serve_settles_nothing(past: Past, kind: DeploymentKind) -> None:
    """A standby that got ready or took over is no word of the operator's, whose edit is still to come."""
    await past.served(2)
    past.configure(context_tokens=1024)
    past.ended(2, kind=kind)
    assert (await past.discovery().boot()).change.settings["model.context_tokens"] == 1024


async def test_other_hosts_or_another_version_are_booted_as_a_new_release(past: Past) -> None:
    """A release says what its worker runs: the hosts it answers to, and the code."""
    await past.served(4)
    discovery = past.discovery()
    recorded = discovery.admission.releases.read(4)
    for other in (
        replace(recorded, package_version="0.0.1"),
        replace(recorded, settings={**recorded.settings, "allowed_hosts": ["example.org"]}),
        replace(recorded, settings={**recorded.settings, "allowed_origins": ["http://example.org"]}),
    ):
        discovery.admission.releases.write(other)
        assert (await discovery.boot()).release is None


async def test_a_built_in_model_that_moved_is_served_from_its_new_place(past: Past) -> None:
    """A new virtual environment has it elsewhere."""
    past.configure(path="")
    await past.served(4)
    discovery = past.discovery()
    recorded = discovery.admission.releases.read(4)
    moved = replace(recorded.model, path="/old/lib/modelsvc/models/demo.gguf")
    discovery.admission.releases.write(replace(recorded, model=moved))
    boot = await discovery.boot()

    assert (boot.release, boot.change.path) == (None, "")
    await discovery.check_boot(boot)


async def test_a_model_that_is_gone_is_blamed_on_the_release_that_served_it(past: Past) -> None:
    """The configuration does not name it."""
    other = Path(shutil.copy(past.model, past.model.with_name("other.gguf")))
    await past.served(5, Change(path=str(other)))
    other.unlink()
    discovery = past.discovery()
    with pytest.raises(ConfigError, match=r"release 5 served last, but .*other\.gguf .*put the file back"):
        await discovery.check_boot(await discovery.boot())


async def test_a_changed_model_file_is_booted_as_a_new_release(past: Past) -> None:
    """The old release's weights are no more; its settings still hold."""
    await past.served(4, Change(settings={"model.slots": 2}))
    beside = past.model.with_suffix(".new")
    beside.write_bytes(past.model.read_bytes() + b"more")
    beside.replace(past.model)
    boot = await past.discovery().boot()

    assert (boot.release, boot.change.path, boot.change.settings["model.slots"]) == (None, str(past.model), 2)


async def test_a_model_file_with_the_same_bytes_is_the_same(past: Past) -> None:
    """Restored from a backup, or only touched: the recorded release is booted."""
    await past.served(4)
    beside = Path(shutil.copy(past.model, past.model.with_suffix(".new")))
    beside.replace(past.model)
    assert await past.discovery().boot() == Boot(BLUE, release=4)


async def test_an_edit_during_a_deployment_is_still_to_come(past: Past) -> None:
    """It is later than what the deployment was made from."""
    await past.served(2)
    past.ended(3, meanwhile=lambda: past.configure(context_tokens=1024))
    assert (await past.discovery().boot()).change.settings["model.context_tokens"] == 1024


async def test_a_release_whose_record_is_gone_is_made_anew(past: Past) -> None:
    """From the configuration."""
    await past.served(4)
    past.discovery().admission.releases.path(4).unlink()
    assert await past.discovery().boot() == Boot(BLUE)


async def test_a_model_that_cannot_be_served_is_reported_before_anything_starts(past: Past) -> None:
    """As an error of the configuration, which is where to mend it."""
    past.model.write_text("no model")
    discovery = past.discovery()
    with pytest.raises(ConfigError, match=r"model\.path: .*m\.gguf") as caught:
        await discovery.check_boot(await discovery.boot())
    assert caught.value.exit_code is ExitCode.MISUSE
    await discovery.check_boot(Boot(BLUE, release=4))  # recorded: step 3 will look at it


async def test_numbers_and_route_go_on(past: Past) -> None:
    """Everything that must not be used twice."""
    await past.served(4)
    for record in (
        rec.DeploymentBegan("r", 9, DeploymentKind.DEPLOY, BLUE, GREEN),
        rec.WorkerBegan(GREEN, "green-12", 1, 1.0, 4),
    ):
        past.journal.write(record)
    past.journal.write(rec.Rejected(3))
    found = past.discovery().found(Boot(BLUE), Policy(), True, ())

    assert found.rejected == 3
    assert (found.last_release, found.last_deployment, found.last_worker, found.active) == (4, 9, 12, BLUE)
    assert found.edge_lives
    assert found.unfinished == Unfinished(9, BLUE, GREEN)


def test_whether_an_unfinished_deployment_is_the_one_that_the_route_is_from(past: Past) -> None:
    """Told by its number, and not by its colour, which may be on record from before."""
    past.journal.write(rec.RouteChanged(BLUE, 4, None, 1))
    past.journal.write(rec.DeploymentBegan("r", 2, DeploymentKind.DEPLOY, GREEN, BLUE))
    past.journal.write(rec.StepChanged(2, Step.VERIFY_ROUTE, StepState.RUNNING))
    found = past.discovery().found(Boot(BLUE), Policy(), False, ())
    assert (found.active, found.brought_by) == (BLUE, 1)
    assert found.unfinished and found.unfinished.steps == {Step.VERIFY_ROUTE: StepState.RUNNING}

    past.journal.write(rec.RouteChanged(BLUE, 5, 4, 2))
    assert past.discovery().found(Boot(BLUE), Policy(), False, ()).brought_by == 2
    past.journal.write(rec.RouteChanged(GREEN, 4, None))
    assert past.discovery().found(Boot(BLUE), Policy(), False, ()).brought_by is None


async def test_workers_that_live_are_found_and_the_others_written_off(past: Past) -> None:
    """By pid and start time; each is asked whether it is ready."""
    sleeper = [sys.executable, "-c", "input()"]
    with subprocess.Popen(sleeper, stdin=subprocess.PIPE) as alive:  # noqa: ASYNC220  # nothing else runs meanwhile
        created = processes.started_at(psutil.Process(alive.pid))
        for color, worker_id, start in (
            (BLUE, "blue-1", created - 50),
            (BLUE, "blue-2", created),
            (GREEN, "green-3", created),
        ):
            past.journal.write(rec.WorkerBegan(color, worker_id, alive.pid, start, 1))
        async with scripted_worker() as blue:
            blue.answers["/ready"] = (200, {})
            probe = Probe({BLUE: blue.port, GREEN: 1}, "http://127.0.0.1:1")
            survivors = await past.discovery(probe).survivors()
            await probe.close()
        alive.kill()

    assert [(one.worker_id, one.ready) for one in survivors] == [("blue-2", True), ("green-3", False)]
    assert [row.worker_id for row in past.journal.living_workers()] == ["blue-2", "green-3"]


async def test_a_worker_whose_release_has_other_hosts_is_found_so_and_renewed(past: Past) -> None:
    """By a release of the same model and settings, whatever was edited in [model] meanwhile."""
    await past.served(4, Change(settings={"model.slots": 2}))
    past.journal.write(rec.WorkerBegan(BLUE, "blue-1", os.getpid(), processes.started_at(psutil.Process()), 4))
    (before,) = await past.discovery().survivors()
    past.configure(context_tokens=1024)
    past.security = SecuritySection(allowed_origins=["http://localhost:3000"])
    discovery = past.discovery()
    (after,) = await discovery.survivors()
    admitted = await discovery.admission.admit(fx.Admit(1, GREEN, Change(), 4, 5, renews=4))

    assert (before.superseded, after.superseded) == ("", "security.allowed_origins none -> http://localhost:3000")
    old, new = (discovery.admission.releases.read(number) for number in (4, admitted.release))
    assert (new.number, new.model) == (5, old.model)
    assert new.settings == {**old.settings, "allowed_origins": ["http://localhost:3000"]}


async def test_workers_are_watched_before_they_are_asked_and_asked_side_by_side(past: Past) -> None:
    """One that does not answer costs no other its time, and the end of each is told from here on."""
    own = processes.started_at(psutil.Process())
    past.journal.write(rec.WorkerBegan(BLUE, "blue-1", os.getpid(), own, 1))
    past.journal.write(rec.WorkerBegan(GREEN, "green-2", os.getpid(), own, 1))
    async with scripted_worker() as blue, scripted_worker() as green:
        blue.answers["/ready"] = None
        green.answers["/ready"] = (200, {})
        probe = Probe({BLUE: blue.port, GREEN: green.port}, "http://127.0.0.1:1")
        asking = asyncio.ensure_future(past.discovery(probe).survivors())
        async with asyncio.timeout(30):
            while not (blue.asked and green.asked):
                assert past.adopted == ["blue-1", "green-2"] or not (blue.asked or green.asked)
                await asyncio.sleep(0.01)
        assert len(blue.asked) == 1, "the one was asked after the other"
        asking.cancel()
        await asyncio.wait([asking])
        await probe.close()


async def test_an_admission_that_is_refused_leaves_no_release(past: Past) -> None:
    """Its number is free for the next."""
    past.model.write_text("no model")
    with pytest.raises(Refused):
        await past.served(5)
    assert past.discovery().admission.releases.last() == 0
