"""Worker processes: spawn, watch, stop, and find again those of an earlier supervisor.

Each runs in a session of its own with its output in a log file, so that it goes on when the supervisor ends.
Stopping is: TERM to the group, one deadline, KILL to the group, then its end is reported. A process is identified by
its pid and its start time, since pids are used again.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from supervisor import processes
from supervisor.core.state import Color
from supervisor.errors import WorkerError
from supervisor.logs import open_log

ADOPTED_INTERVAL_S = 0.05
WORKER_PROGRAM = (sys.executable, "-m", "modelsvc.worker")

OnEnd = Callable[[str, int | None], None]  # worker_id, exit code (negative: signal; None: unknown)


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """What the worker is told on its command line."""

    color: Color
    worker_id: str
    port: int
    release: Path
    chat_history: Path
    api_keys: Path | None = None  # None: everyone may ask
    probe_key: Path | None = None
    program: tuple[str, ...] = WORKER_PROGRAM
    background: bool = False  # leave the processors to the worker that serves

    def argv(self) -> list[str]:
        return [
            *self.program,
            *("--release", str(self.release)),
            *("--color", self.color),
            *("--port", str(self.port)),
            *("--chat-db", str(self.chat_history)),
            *("--worker-id", self.worker_id),
            *(("--api-keys", str(self.api_keys)) if self.api_keys else ()),
            *(("--probe-key", str(self.probe_key)) if self.probe_key else ()),
            *(("--background",) if self.background else ()),
        ]


class WorkerProcesses:
    """All workers that run, by worker id. `on_end` is called in the event loop, once for each.

    Whoever has one stopped that does not run is told of its end as well: nobody waits for what never comes.
    """

    def __init__(self, logs: Path, notify_socket: Path, on_end: OnEnd) -> None:
        self._logs = logs
        self._notify_socket = notify_socket
        self._on_end = on_end
        self._running: dict[str, psutil.Process] = {}

    def spawn(self, command: WorkerCommand) -> psutil.Process:
        """Start the process and watch it. Raises WorkerError when the system refuses."""
        try:
            path = self._logs / f"worker-{command.color}.log"
            with open_log(path) as log:
                process = psutil.Popen(
                    command.argv(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env=self._environment(path),
                )
        except OSError as error:
            raise WorkerError(f"the {command.color} worker cannot be started: {error}") from error
        self._watch(command.worker_id, process)
        return process

    def adopt(self, worker_id: str, pid: int, created_at: float) -> bool:
        """Take over a worker of an earlier supervisor; False when that process is gone."""
        process = processes.find(pid, created_at)
        if process is None:
            return False
        self._watch(worker_id, process)
        return True

    def process(self, worker_id: str | None) -> psutil.Process | None:
        return self._running.get(worker_id) if worker_id else None

    async def stop(self, worker_id: str, timeout_s: float) -> None:
        """TERM, wait `timeout_s`, KILL. Returns when the process is gone; `on_end` reports it as any other end.

        So it does, without a code, where none runs by that id.
        """
        process = self._running.get(worker_id)
        if process is None:
            self._on_end(worker_id, None)
            return
        if timeout_s > 0:
            processes.signal_group(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone(worker_id), timeout_s)
        if worker_id in self._running:
            processes.signal_group(process.pid, signal.SIGKILL)
            await self._gone(worker_id)

    async def _gone(self, worker_id: str) -> None:
        while worker_id in self._running:
            await asyncio.sleep(0.02)

    def _environment(self, log: Path) -> Mapping[str, str]:
        """By the path of its log a worker can open that anew, should somebody remove it."""
        own = {"NOTIFY_SOCKET": str(self._notify_socket), "PYTHONUNBUFFERED": "1", "MODELSVC_WORKER_LOG": str(log)}
        return {**os.environ, **own}

    def _watch(self, worker_id: str, process: psutil.Process) -> None:
        """A thread waits for the end: the one way that serves children and adopted processes on every system."""
        self._running[worker_id] = process
        loop = asyncio.get_running_loop()

        def wait() -> None:
            code = _outlive(process)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is interested any more
                loop.call_soon_threadsafe(self._ended, worker_id, code)

        threading.Thread(target=wait, name=f"wait-{worker_id}", daemon=True).start()

    def _ended(self, worker_id: str, code: int | None) -> None:
        self._running.pop(worker_id, None)
        self._on_end(worker_id, code)


def _outlive(process: psutil.Process) -> int | None:
    """Wait for the end of a process; its exit code, if it is our child and so the code is for us."""
    child = isinstance(process, psutil.Popen)
    while child or processes.is_alive(process):
        with contextlib.suppress(OSError):  # no descriptor is free: asked again
            if child:
                return process.wait()
        time.sleep(ADOPTED_INTERVAL_S)
    return None
