"""Who holds what at this moment: supervisor, edge, workers and the monitor, as the ledger counts them."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from supervisor.core.account import Holding, Mapped
from supervisor.core.state import Color, Slot, State
from supervisor.errors import SupervisorError
from supervisor.memory.usage import ProcessMemory, measure
from supervisor.offload import run_within_blocking
from supervisor.releases.store import ModelFile
from supervisor.workers.workforce import Workforce

FRESH_S = 0.5
STAT_LIMIT_S = 1.0
SUPERVISOR, EDGE, PROMETHEUS = "supervisor", "edge", "prometheus"


@dataclass(frozen=True, slots=True)
class Held:
    """A process, or nginx's group of them, with what it holds."""

    who: str
    pids: tuple[int, ...]
    memory: ProcessMemory
    color: Color | None = None
    model: Mapped | None = None

    @property
    def holding(self) -> Holding:
        return Holding(self.who, self.memory.private_bytes, self.model)


@dataclass(slots=True)
class Holdings:
    """Looks at the processes in a thread; a look is good for FRESH_S, for many may ask at once.

    Who vanishes meanwhile, or may not be looked into, is left out.
    """

    workforce: Workforce
    edge_pid: Callable[[], int | None]
    monitor_pid: Callable[[], int | None] = lambda: None
    _seen: tuple[float, tuple[State, int | None], list[Held]] | None = field(default=None, init=False)

    async def now(self, state: State) -> list[Held]:
        monitor = self.monitor_pid()
        if self._seen and self._seen[1] == (state, monitor) and time.monotonic() - self._seen[0] < FRESH_S:
            return self._seen[2]
        processes = [(slot, self.workforce.processes.process(slot.worker_id)) for slot in state.slots.values()]
        held = await asyncio.to_thread(self._look, processes, self.edge_pid(), monitor)
        self._seen = time.monotonic(), (state, monitor), held
        return held

    def _look(
        self, workers: Iterable[tuple[Slot, psutil.Process | None]], edge: int | None, monitor: int | None
    ) -> list[Held]:
        found = [_group(SUPERVISOR, [psutil.Process(os.getpid())]), _group(EDGE, _family(edge))]
        found += [self._worker(slot, process) for slot, process in workers if process is not None]
        found.append(_group(PROMETHEUS, _family(monitor)))
        return [held for held in found if held]

    def _worker(self, slot: Slot, process: psutil.Process) -> Held | None:
        memory = measure(process)
        return Held(slot.color, (process.pid,), memory, slot.color, self._model(slot)) if memory else None

    def _model(self, slot: Slot) -> Mapped | None:
        with suppress(SupervisorError):
            if model := self.workforce.model(slot):
                return mapped(model)
        return None


def mapped(model: ModelFile) -> Mapped:
    """The file as it was recorded. The path tells the device, unless another file has its name by now."""
    path, device = Path(model.path), 0
    with suppress(OSError):
        stat = run_within_blocking(path, path.stat, STAT_LIMIT_S)
        device = stat.st_dev if stat.st_ino == model.inode else 0
    return Mapped((device, model.inode), path.name, model.size_bytes)


def _family(pid: int | None) -> list[psutil.Process]:
    """The process and its children: nginx's master and its workers."""
    with suppress(psutil.Error):
        if pid is not None:
            master = psutil.Process(pid)
            return [master, *master.children()]
    return []


def _group(who: str, processes: list[psutil.Process]) -> Held | None:
    """All of them as one; None when none could be looked into."""
    found = [(process.pid, memory) for process in processes if (memory := measure(process))]
    if not found:
        return None
    _, together = found[0]
    for _, memory in found[1:]:
        together = together.plus(memory)
    return Held(who, tuple(pid for pid, _ in found), together)
