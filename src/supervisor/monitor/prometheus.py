"""The prometheus program: found, started in a session of its own, known again by a later supervisor, stopped.

Stopping is: TERM, one deadline, KILL to the group. It runs with less claim to the machine than those who serve: the
processors go to them first, and in a shortage of memory the kernel ends it before them.
"""

import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from supervisor import processes
from supervisor.core.monitor.messages import Identity
from supervisor.errors import MonitorError
from supervisor.logs import last_lines, open_log
from supervisor.own_processes import PROMETHEUS_DATA
from supervisor.patience import eventually

STOP_TIMEOUT_S, KILL_TIMEOUT_S = 10.0, 5.0
READY_TIMEOUT_S = 120.0  # it may have a day's log of samples to read again
ASK_TIMEOUT_S = 2.0
NICENESS = 10
EAGER_TO_DIE = 500  # oom_score_adj
DATA_LIMIT = "400MB"  # 25 minutes of ours took 0.7 MB; the journal is on the same disk
MEMORY_GOAL = "200MiB"  # above it the Go runtime collects more eagerly
USUAL_FOLDERS = ("/opt/homebrew/bin", "/usr/local/bin", "/usr/bin")

_COMPLAINT = re.compile(r'\bmsg="(?P<msg>[^"]*)"|\berr="(?P<err>(?:[^"\\]|\\.)*)"')


def locate(program: str) -> Path:
    """The program, also where a service's PATH does not reach. Raises MonitorError when there is none."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *USUAL_FOLDERS))
    found = shutil.which(program, path=path)
    if found is None:
        install = "brew install prometheus" if sys.platform == "darwin" else "sudo apt-get install prometheus"
        raise MonitorError(
            f"there is no {program!r} to run: `make setup` installs one, or `{install}`; else set monitor.prometheus to"
            " its path",
            code="prometheus_missing",
        )
    return Path(found)


@dataclass(frozen=True, slots=True)
class Launch:
    """How it is started. `folder` has its configuration, and gets its data."""

    program: str
    listen: str
    retention: str
    folder: Path
    log: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"http://{self.listen}"

    def arguments(self) -> list[str]:
        return [
            f"--config.file={self.folder / 'prometheus.yml'}",
            f"{PROMETHEUS_DATA}{self.data}",
            f"--storage.tsdb.retention.time={self.retention}",
            f"--storage.tsdb.retention.size={DATA_LIMIT}",
            f"--web.listen-address={self.listen}",
            "--log.level=warn",
        ]

    def is_of(self, process: psutil.Process) -> bool:
        """Whether the process was started like this."""
        with suppress(psutil.Error):
            words: list[str] = process.cmdline()
            ours = self.arguments()
            return words[-len(ours) :] == ours  # before them is the program, or what runs it
        return False

    def spawn(self) -> psutil.Popen:
        """Raises MonitorError when the system refuses."""
        program = locate(self.program)
        try:
            with open_log(self.log) as log:
                process = psutil.Popen(
                    [str(program), *self.arguments()],
                    cwd=self.folder,
                    env={"GOMEMLIMIT": MEMORY_GOAL, **os.environ},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        except OSError as error:
            raise MonitorError(f"{program} cannot be started in {self.folder}: {error.strerror}") from error
        _step_back(process)
        return process

    def found(self, recorded: Identity | None) -> psutil.Process | None:
        """The one an earlier supervisor started: as it is on record, else by the data folder that it works on."""
        process = processes.find(recorded.pid, recorded.started_at) if recorded else None
        return process or next(self._workers_on_data(), None)

    def _workers_on_data(self) -> Iterator[psutil.Process]:
        mine = f"{PROMETHEUS_DATA}{self.data}"
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if mine in process.cmdline() and processes.is_alive(process):
                    yield process

    def complaint(self) -> str:
        """What it logged last, in its own words."""
        for line in reversed(last_lines(self.log, 20)):
            said = [match["msg"] or match["err"] for match in _COMPLAINT.finditer(line) if match["msg"] or match["err"]]
            if said and "level=error" in line.lower():
                return ": ".join(said)
        return next(reversed(last_lines(self.log, 1)), "it said nothing")


async def is_ready(url: str) -> bool:
    """Whether it answers, with its data read."""
    async with httpx.AsyncClient(trust_env=False, timeout=ASK_TIMEOUT_S) as client:
        with suppress(httpx.HTTPError):
            return (await client.get(f"{url}/-/ready")).status_code == httpx.codes.OK
    return False


def is_alive(process: psutil.Process) -> bool:
    """A child is collected by being asked."""
    return process.poll() is None if isinstance(process, psutil.Popen) else processes.is_alive(process)


async def gone(process: psutil.Process, timeout_s: float = math.inf) -> bool:
    """Wait for its end."""

    async def check() -> bool:
        return not is_alive(process)

    return await eventually(check, timeout_s, poll_s=0.1)


async def stop(process: psutil.Process) -> None:
    """As the module says; returns when it is gone."""
    for number, patience_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, KILL_TIMEOUT_S)):
        if is_alive(process):
            processes.signal_group(process.pid, number)
        if await gone(process, patience_s):
            return


def reload(process: psutil.Process) -> None:
    """Have it read its configuration again."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGHUP)


def ended(process: psutil.Process) -> str:
    """How it ended, as far as that is known."""
    code = process.poll() if isinstance(process, psutil.Popen) else None
    return "Prometheus ended" if code is None else f"Prometheus ended with code {code}"


def _step_back(process: psutil.Popen) -> None:
    with suppress(OSError):
        os.setpriority(os.PRIO_PGRP, process.pid, NICENESS)  # all threads there are; those to come inherit it
    with suppress(OSError):
        Path(f"/proc/{process.pid}/oom_score_adj").write_text(str(EAGER_TO_DIE), encoding="utf-8")
