"""How busy the machine was meanwhile, and with what: figures of a run in which others needed it mean little."""

import os
import time
from dataclasses import dataclass

import psutil
from benchmarks.servers import Server


@dataclass(frozen=True, slots=True)
class Busy:
    """Processors that were used; `others` by anything but us and the server, if that was started here."""

    server: float
    client: float
    others: float


class Meter:
    """Counts from when it is made."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._began, self._counts = time.monotonic(), self._read()

    def busy(self) -> Busy:
        seconds = time.monotonic() - self._began
        server, client, machine = (
            (now - before) / seconds for now, before in zip(self._read(), self._counts, strict=True)
        )
        return Busy(server, client, machine - server - client)

    def _read(self) -> tuple[float, float, float]:
        return self._server.cpu_s(), time.process_time(), machine_cpu_s()


def machine_cpu_s() -> float:
    """Seconds that all processors were not idle."""
    times = psutil.cpu_times()._asdict()
    idle = sum(times.get(name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
    return float(sum(times.values()) - idle)


def load_average() -> str:
    return f"load average {os.getloadavg()[0]:.1f} of {os.cpu_count()} processors"
