"""The workers as the supervisor handles them: releases in, processes out."""

from dataclasses import dataclass, field
from pathlib import Path

from supervisor.config import Config
from supervisor.core import events as ev
from supervisor.core.effects import StartWorker
from supervisor.core.state import Color, Slot
from supervisor.errors import SupervisorError
from supervisor.paths import StatePaths
from supervisor.ports import check_free, naming
from supervisor.processes import started_at
from supervisor.releases.model_file import verify_unchanged
from supervisor.releases.store import ModelFile, ReleaseStore
from supervisor.workers.process import WORKER_PROGRAM, WorkerCommand, WorkerProcesses
from supervisor.workers.worker_ports import WorkerPorts


@dataclass(frozen=True, slots=True)
class Workforce:
    """Starts workers from recorded releases."""

    config: Config
    ports: WorkerPorts
    paths: StatePaths
    releases: ReleaseStore
    processes: WorkerProcesses
    program: tuple[str, ...] = WORKER_PROGRAM
    _started_with: dict[str, ModelFile] = field(default_factory=dict, init=False)

    async def start(self, order: StartWorker) -> ev.WorkerSpawned | ev.WorkerSpawnFailed:
        """Spawn what the order says, or say why that cannot be."""
        try:
            model = await verify_unchanged(self.releases.read(order.release).model)
            if not order.stays:
                self.ports.reset(order.color)
            self.check_port(order.color)
            process = self.processes.spawn(self._command(order))
            self._started_with[order.worker_id] = model
            return ev.WorkerSpawned(order.color, order.worker_id, process.pid, started_at(process))
        except SupervisorError as error:
            return ev.WorkerSpawnFailed(order.color, order.worker_id, error.message)

    def model(self, slot: Slot) -> ModelFile | None:
        """The file that the slot's worker maps, as it was when that started; of an adopted one as it was recorded."""
        started_with = self._started_with.get(slot.worker_id or "")
        return started_with or (self.releases.read(slot.release).model if slot.release is not None else None)

    def check_port(self, color: Color) -> None:
        """Raise PortTaken when the colour's worker could not listen, naming the holder and the setting."""
        with naming(f"workers.{color}_port"):
            check_free("127.0.0.1", self.ports[color])

    def _command(self, order: StartWorker) -> WorkerCommand:
        keys = self.config.security.api_keys_file
        return WorkerCommand(
            color=order.color,
            worker_id=order.worker_id,
            port=self.ports[order.color],
            release=self.releases.path(order.release),
            chat_history=self.paths.chat_history,
            api_keys=Path(keys) if keys else None,
            probe_key=self.paths.probe_key if keys else None,
            program=self.program,
            background=order.background,
        )
