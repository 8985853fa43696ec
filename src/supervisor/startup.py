"""Before the loop runs: the state folder laid out, what an earlier supervisor left, and what is to be booted."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from supervisor import processes
from supervisor.config import ModelSection
from supervisor.core.desired import differences
from supervisor.core.interrupted import Unfinished
from supervisor.core.reconcile import Found, Survivor
from supervisor.core.state import Boot, Color, Policy
from supervisor.core.steps import Step
from supervisor.errors import ConfigError, NotFound, Refused, SupervisorError, WorkerError
from supervisor.journal import Journal, WorkerRow
from supervisor.paths import StatePaths, check_owner, check_socket_path
from supervisor.releases import model_file
from supervisor.releases.model_file import model_path
from supervisor.releases.spec import serving, settings_of, superseded, wanted, whole
from supervisor.releases.store import Release
from supervisor.steps.admission import Admission, changed
from supervisor.workers.probe import Probe
from supervisor.workers.worker_ports import WorkerPorts

READY_LOOKS = 3
READY_PAUSE_S = 0.5


def lay_out(paths: StatePaths) -> None:
    """Make the state folder; only its owner may enter. Raises ConfigError when that cannot be."""
    check_owner(paths)
    for socket in (paths.control_socket, paths.notify_socket, paths.hold_socket):
        check_socket_path(socket)
    try:
        for folder in (paths.root, paths.run, paths.edge, paths.releases, paths.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths.run.chmod(0o700)
    except OSError as error:
        raise ConfigError(
            f"the state folder {paths.root} cannot be used: {error.strerror}; set MODELSVC_HOME to one that can"
        ) from error


@dataclass(frozen=True, slots=True)
class Discovery:
    """Looks at the journal and the processes it names."""

    journal: Journal
    admission: Admission
    probe: Probe
    ports: WorkerPorts
    adopt: Callable[[str, int, float], bool]  # watch the worker from now on; False: its process is gone

    async def boot(self) -> Boot:
        """The release that served last, unless the configuration or its model file changed since: then a new one."""
        route = self.journal.route()
        color = route.active or Color.BLUE
        if route.release is None:
            return Boot(color)
        try:
            recorded = self.admission.releases.read(route.release)
        except NotFound:
            return Boot(color)
        section = self.admission.baseline.section(route.release)
        if await self._is_as_recorded(section, recorded):
            return Boot(color, release=route.release)
        return Boot(color, whole(section.path, settings_of(section)))

    async def _is_as_recorded(self, section: ModelSection, release: Release) -> bool:
        """Settings, model file, the hosts and origins that workers answer to, and the code that would run it."""
        security = self.admission.config.security
        try:
            return not differences(serving(release), await wanted(section, security, release.model))
        except Refused:
            return False

    async def check_boot(self, boot: Boot) -> None:
        """Raise ConfigError when the model to be booted cannot be served, before anything is started."""
        if boot.release is not None:
            return
        path = model_path(changed(self.admission.baseline.configured(), boot.change))
        try:
            await model_file.inspect(path)
        except Refused as error:
            raise ConfigError(self._blame(error.message), code=error.code) from None

    def _blame(self, problem: str) -> str:
        """A model file may be named by the configuration, or by the release that served last."""
        served = self.journal.route().release
        if served is None or self.admission.baseline.section(served) == self.admission.baseline.configured():
            return f"model.path: {problem}"
        return f"release {served} served last, but {problem}; put the file back, or edit [model] to serve another"

    def found(self, boot: Boot, policy: Policy, edge_lives: bool, survivors: tuple[Survivor, ...]) -> Found:
        route = self.journal.route()
        return Found(
            boot=boot,
            policy=policy,
            active=route.active,
            brought_by=route.deployment,
            paused=bool(self.journal.fact("paused")),
            prewarmed=self.journal.fact("prewarmed"),
            rejected=self.journal.fact("rejected"),
            served_release=route.release,
            previous_release=route.previous_release,
            last_release=self.admission.releases.last(),
            last_deployment=self.journal.last_deployment(),
            last_worker=self.journal.last_worker(),
            edge_lives=edge_lives,
            survivors=survivors,
            unfinished=self._unfinished(),
        )

    def _unfinished(self) -> Unfinished | None:
        left = self.journal.unfinished()
        if left is None:
            return None
        steps = {Step(step.number): step.state for step in left.steps}
        old = self.journal.served_before(left.deployment)
        earlier = self.journal.served_before(left.deployment, other_than=old)
        return Unfinished(left.deployment, left.from_color, left.to_color, steps, left.kind, left.release, earlier)

    def take_ports(self) -> str:
        """Go by the ports of workers that live; why those that are configured now cannot be had, if so."""
        living: dict[Color, int] = {}
        for row in self.journal.living_workers():
            if (told := _option(row, "--port")).isdecimal():
                living[row.color] = int(told)
                self.ports.keep(row.color, int(told))
        return self.ports.put_off(living)

    async def survivors(self) -> tuple[Survivor, ...]:
        """Workers of an earlier supervisor that live; those that do not are written down as gone.

        Each is watched before it is asked, so that its end is told whenever it comes; they are asked side by side.
        """
        living = [row for row in self.journal.living_workers() if self._lives(row)]
        return tuple(await asyncio.gather(*map(self._survivor, living)))

    def _lives(self, row: WorkerRow) -> bool:
        if self.adopt(row.worker_id, row.pid, row.created_at):
            return True
        self.journal.lose_worker(row.worker_id)
        return False

    async def _survivor(self, row: WorkerRow) -> Survivor:
        outdated = ", ".join(filter(None, (self.ports.change(row.color), self._other_keys(row))))
        ready = await self._is_ready(row.color)
        superseded = self._superseded(row.release)
        return Survivor(row.color, row.worker_id, row.pid, row.created_at, row.release, ready, outdated, superseded)

    def _other_keys(self, row: WorkerRow) -> str:
        """A worker that was started under another `api_keys_file` goes on, but not for long: it lets others in."""
        told, wanted = _option(row, "--api-keys"), self.admission.config.security.api_keys_file
        return "" if told == wanted else f"security.api_keys_file {told or 'none'} -> {wanted or 'none'}"

    def _superseded(self, release: int) -> str:
        """A release that cannot be read tells nothing, and nothing can be made of it."""
        try:
            return superseded(self.admission.releases.read(release), self.admission.config.security)
        except SupervisorError:
            return ""

    async def _is_ready(self, color: Color) -> bool:
        """One late answer is no reason to end a worker that serves."""
        for _ in range(READY_LOOKS):
            try:
                await self.probe.ready(color)
                return True
            except WorkerError:
                await asyncio.sleep(READY_PAUSE_S)
        return False


def _option(row: WorkerRow, name: str) -> str:
    """What the worker was started with; empty when it was not, or has ended."""
    process = processes.find(row.pid, row.created_at)
    return processes.option(process, name) if process else ""
