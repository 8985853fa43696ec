"""The workers as the supervisor handles them: releases in, processes out, and what they hold."""

from dataclasses import dataclass

from supervisor.config import Config
from supervisor.core import events as ev
from supervisor.core.effects import StartWorker
from supervisor.core.ledger import Usage
from supervisor.core.state import Color, Slot, State
from supervisor.errors import NotFound, SupervisorError
from supervisor.memory import ProcessMemory, measure
from supervisor.model_file import verify_unchanged
from supervisor.paths import StatePaths
from supervisor.ports import check_free, naming
from supervisor.processes import started_at
from supervisor.releases import ReleaseStore
from supervisor.worker_process import WORKER_PROGRAM, WorkerCommand, WorkerProcesses


@dataclass(frozen=True, slots=True)
class Workforce:
    """Starts workers from recorded releases, and measures those that run."""

    config: Config
    paths: StatePaths
    releases: ReleaseStore
    processes: WorkerProcesses
    program: tuple[str, ...] = WORKER_PROGRAM

    def start(self, order: StartWorker) -> ev.WorkerSpawned | ev.WorkerSpawnFailed:
        """Spawn what the order says, or say why that cannot be."""
        try:
            verify_unchanged(self.releases.read(order.release).model)
            self.check_port(order.color)
            process = self.processes.spawn(self._command(order))
            return ev.WorkerSpawned(order.color, order.worker_id, process.pid, started_at(process))
        except SupervisorError as error:
            return ev.WorkerSpawnFailed(order.color, order.worker_id, error.message)

    def check_port(self, color: Color) -> None:
        """Raise PortTaken when the colour's worker could not listen, naming the holder and the setting."""
        with naming(f"workers.{color}_port"):
            check_free("127.0.0.1", self.config.port(color))

    def memory(self, slot: Slot) -> ProcessMemory | None:
        return measure(self.processes.process(slot.worker_id))

    def usages(self, state: State, without: Color | None = None) -> list[Usage]:
        """What the workers hold, for the ledger; `without` leaves out the one that is about to be replaced."""
        slots = [slot for slot in state.slots.values() if slot.color is not without]
        return [usage for slot in slots if (usage := self._usage(slot))]

    def _usage(self, slot: Slot) -> Usage | None:
        memory = self.memory(slot)
        if memory is None or slot.release is None:
            return None
        try:
            model = self.releases.read(slot.release).model
        except NotFound:
            return Usage(memory.private_bytes)
        return Usage(memory.private_bytes, (str(model.inode), model.size_bytes))

    def _command(self, order: StartWorker) -> WorkerCommand:
        return WorkerCommand(
            order.color,
            order.worker_id,
            self.config.port(order.color),
            self.releases.path(order.release),
            self.paths.chat_history,
            self.program,
            order.background,
        )
