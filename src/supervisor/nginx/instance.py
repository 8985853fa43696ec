"""A running private nginx: its master, its folder, and what can be seen of its connections."""

import asyncio
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from supervisor.errors import EdgeError
from supervisor.nginx.command import complaint
from supervisor.nginx.master import Master
from supervisor.nginx.status import ConnectionCounts, connection_counts
from supervisor.patience import eventually
from supervisor.ports import Address

STATUS_SOCKET = "status.sock"
ERROR_LOG = "error.log"
REPLACE_TIMEOUT_S = 10.0

Client = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Instance:
    """`address` is the one its clients come to."""

    master: Master
    folder: Path
    address: Address

    async def counts(self) -> ConnectionCounts | None:
        return await connection_counts(self.folder / STATUS_SOCKET)

    async def clients(self, workers: Iterable[int]) -> frozenset[Client]:
        return await clients(workers, self.address)

    async def replace_workers(self, old: frozenset[int]) -> None:
        """SIGHUP: on return new workers serve, and the old ones only finish what they have.

        Raises EdgeError when nginx keeps the old ones, with what it logged.
        """
        logged = self._log_size()
        self.master.signal(signal.SIGHUP)

        async def replaced() -> bool:
            workers = self.master.workers()
            return bool(workers) and workers.isdisjoint(old)

        async def decided() -> bool:
            return await replaced() or bool(self._complaint(logged)) or not self.master.alive()

        if not (await eventually(decided, REPLACE_TIMEOUT_S) and await replaced()):
            raise EdgeError(f"nginx did not reload: {self._complaint(logged) or self._state(old)}")

    def _state(self, old: frozenset[int]) -> str:
        """What can be seen of an nginx that gave no reason."""
        if not self.master.alive():
            return "its master ended"
        return f"after {REPLACE_TIMEOUT_S:.0f} s its old workers {sorted(old & self.master.workers())} still serve"

    def _log_size(self) -> int:
        log = self.folder / ERROR_LOG
        return log.stat().st_size if log.exists() else 0

    def _complaint(self, offset: int) -> str:
        with suppress(FileNotFoundError), (self.folder / ERROR_LOG).open("rb") as log:
            log.seek(offset)
            return complaint(log.read().decode(errors="replace"))
        return ""


async def clients(workers: Iterable[int], address: Address) -> frozenset[Client]:
    """Who is connected to these nginx workers at `address`, each by its own address and port."""
    return await asyncio.to_thread(lambda: frozenset(client for pid in workers for client in _clients(pid, address)))


def _clients(pid: int, address: Address) -> Iterable[Client]:
    with suppress(psutil.Error):
        for entry in psutil.Process(pid).net_connections(address.kind):
            if entry.status == psutil.CONN_ESTABLISHED and entry.laddr.port == address.port:
                yield (entry.raddr.ip, entry.raddr.port)
