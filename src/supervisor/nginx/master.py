"""The nginx master process and its workers, as the system shows them.

A master is known by its pid and start time, so a pid that was given away again is never signalled. It leads a process
group of its own: when it is killed, its workers go on serving and are found by that group.

Stopping: QUIT (finish what runs), one deadline, TERM, a short deadline, KILL the group; then await the exit.
"""

import math
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from supervisor import processes
from supervisor.patience import eventually

KILL_AFTER_S = 2.0
PID_FILE = "nginx.pid"


@dataclass(frozen=True, slots=True)
class Master:
    """An nginx master, by birth or adopted; it may have ended."""

    process: psutil.Process
    started_at: float
    child: subprocess.Popen[bytes] | None = None

    @classmethod
    def born(cls, child: subprocess.Popen[bytes]) -> Self:
        """The master just started; it cannot have vanished, for nobody else collects it."""
        process = psutil.Process(child.pid)
        return cls(process, processes.started_at(process), child)

    @classmethod
    def found(cls, pid: int, started_at: float) -> Self | None:
        """The master an earlier supervisor started, or None when that process has ended."""
        process = processes.find(pid, started_at)
        return cls(process, started_at) if process else None

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """The live master whose pid the file in `folder` names, if it works there and leads its group, as ours do."""
        with suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int((folder / PID_FILE).read_text(encoding="utf-8")))
            ours = Path(process.cwd()) == folder.resolve() and process.uids().real == os.getuid()
            if ours and _is_member(process, process.pid):
                return cls(process, processes.started_at(process))
        return None

    @property
    def pid(self) -> int:
        pid: int = self.process.pid
        return pid

    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs, and for an adopted master always."""
        return self.child.poll() if self.child else None

    def alive(self) -> bool:
        return self.child.poll() is None if self.child else processes.is_alive(self.process)

    def workers(self) -> frozenset[int]:
        """Workers that accept connections."""
        return frozenset(worker.pid for worker in self._children() if _is_serving(worker))

    def leaving_workers(self) -> frozenset[int]:
        """Workers of before a reload, which only finish what they have."""
        return frozenset(worker.pid for worker in self._children() if _is_leaving(worker))

    def signal(self, number: signal.Signals) -> None:
        """Signal the master alone. Does nothing once it has ended."""
        if self.alive():
            with suppress(psutil.NoSuchProcess):
                self.process.send_signal(number)

    async def ended(self, timeout_s: float) -> bool:
        async def check() -> bool:
            return not self.alive() and not group_members(self.pid)

        return await eventually(check, timeout_s)

    async def stop(self, timeout_s: float) -> None:
        for number, patience_s in ((signal.SIGQUIT, timeout_s), (signal.SIGTERM, KILL_AFTER_S)):
            signal_members(self.pid, number)
            if await self.ended(patience_s):
                return
        signal_members(self.pid, signal.SIGKILL)
        await self.ended(KILL_AFTER_S)

    async def wait(self) -> int | None:
        """Wait for the end of the master; its exit code, or None when it was adopted."""

        async def check() -> bool:
            return not self.alive()

        await eventually(check, math.inf, poll_s=0.1)
        return self.exit_code()

    def _children(self) -> Iterator[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            yield from filter(processes.is_alive, self.process.children())


def group_members(group: int) -> frozenset[int]:
    """The live nginx processes of a master's group, the master included."""
    return frozenset(process.pid for process in psutil.process_iter() if _is_member(process, group))


def signal_members(group: int, number: signal.Signals) -> None:
    for pid in group_members(group):
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _is_member(process: psutil.Process, group: int) -> bool:
    with suppress(psutil.Error, ProcessLookupError):
        return os.getpgid(process.pid) == group and processes.is_alive(process) and "nginx" in _title(process)
    return False


def _is_serving(worker: psutil.Process) -> bool:
    """Its title says so: one that exits has none any more, a newborn one still has its master's."""
    title = _title(worker)
    return "worker process" in title and not _says_leaving(title)


def _is_leaving(worker: psutil.Process) -> bool:
    return _says_leaving(_title(worker))


def _says_leaving(title: str) -> bool:
    return "shutting down" in title


def _title(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
