"""Memory of both workers and of the supervisor, looked at twice a second, and who used the processors meanwhile."""

import csv
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import psutil
from benchmarks.machine import machine_cpu_s
from loadtest.rig.values import Cpu

from supervisor.client import ControlClient
from supervisor.errors import SupervisorError
from supervisor.memory import usage
from supervisor.protocol import Color, Status

EVERY_S = 0.5
PROCESSES = frozenset({*Color, "supervisor"})


@dataclass(frozen=True, slots=True)
class Sample:
    """`process` is blue, green or supervisor; bytes are 0 while there is none. `at_s` by the monotonic clock."""

    at_s: float
    process: str
    state: str
    private_bytes: int
    rss_bytes: int


class CpuMeter:
    """Counts from when it is made. What a process uses after the last look at it counts as others'."""

    def __init__(self) -> None:
        self._began_s, self._made_at, self._machine_s = time.monotonic(), time.time(), machine_cpu_s()
        self._used: dict[str, dict[int, tuple[float, float]]] = {"service": {}, "clients": {}}

    def look(self, whose: str, pid: int, *, alone: bool = False) -> None:
        """At a process and, unless alone, at what it started."""
        with suppress(psutil.Error):
            first = psutil.Process(pid)
            for process in [first, *([] if alone else first.children(recursive=True))]:
                with suppress(psutil.Error):
                    self._count(self._used[whose], process)

    def mean(self) -> Cpu:
        seconds = time.monotonic() - self._began_s
        service, clients = (self._sum(whose) / seconds for whose in ("service", "clients"))
        return Cpu(service, clients, (machine_cpu_s() - self._machine_s) / seconds - service - clients)

    def _count(self, used: dict[int, tuple[float, float]], process: psutil.Process) -> None:
        times = process.cpu_times()
        now = times.user + times.system
        first = 0.0 if process.create_time() > self._made_at else now
        used[process.pid] = (used.get(process.pid, (first, now))[0], now)

    def _sum(self, whose: str) -> float:
        return sum(last - first for first, last in self._used[whose].values())


def samples_of(status: Status, at_s: float) -> Iterator[Sample]:
    for color, worker in status.workers.items():
        yield Sample(at_s, color, worker.state, worker.private_bytes or 0, worker.rss_bytes or 0)
    found = usage.measure(psutil.Process(status.pid)) if psutil.pid_exists(status.pid) else None
    if found:
        yield Sample(at_s, "supervisor", "running", found.private_bytes, found.rss_bytes)


@contextmanager
def sampling(client: ControlClient | None, path: Path, clients_pid: int, keep: Callable[[Cpu], None]) -> Iterator[None]:
    """Write samples until the end of the block, then keep what was used of the processors.

    The control socket is asked for what `modelsvc ctl status --json` shows; a process for each look would take more of
    the machine than is measured.
    """
    stopped, meter = threading.Event(), CpuMeter()

    def watch() -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, [field.name for field in fields(Sample)], lineterminator="\n")
            rows.writeheader()
            while True:
                _look(client, meter, rows)
                meter.look("clients", clients_pid)
                meter.look("clients", os.getpid(), alone=True)
                file.flush()
                if stopped.wait(EVERY_S):
                    return

    thread = threading.Thread(target=watch, name="samples")
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        keep(meter.mean())


def _look(client: ControlClient | None, meter: CpuMeter, rows: "csv.DictWriter[str]") -> None:
    with suppress(SupervisorError):  # a look that finds no supervisor leaves a gap
        if client is not None:
            status = client.status()
            meter.look("service", status.pid)
            for sample in samples_of(status, time.monotonic()):
                rows.writerow(asdict(sample))


def read(path: Path) -> list[Sample]:
    """Raises ValueError for a file that is none."""
    with path.open(newline="", encoding="utf-8") as file:
        return [_sample(path, number, row) for number, row in enumerate(csv.DictReader(file), 1)]


def _sample(path: Path, number: int, row: dict[str, str]) -> Sample:
    try:
        if row["process"] not in PROCESSES:
            raise ValueError
        memory = int(row["private_bytes"]), int(row["rss_bytes"])
        return Sample(float(row["at_s"]), row["process"], row["state"], *memory)
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{path}: row {number} is no look at memory: {row}") from error


def load_average() -> float:
    return os.getloadavg()[0]
