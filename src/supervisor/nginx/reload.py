"""How nginx takes a new configuration under traffic.

A reload starts new workers and tells the old ones to finish. The old ones close their idle keep-alive connections, and
every other connection after the answer under way, although that answer may have promised to keep it open. A client that
sends its next request at that moment loses it.

- `PlainReload` does just that.
- `MinTimeoutReload` relies on `keepalive_min_timeout` in the configuration: old workers keep idle connections open for
  that long, and end the next answer on each with `Connection: close`.
- `RetireThenReload` has the old workers end every answer with `Connection: close` beforehand, so that nobody counts on
  their connections any more. The markers that say so are named after the workers: new workers start without one, and
  the old ones keep theirs until they are gone.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from supervisor.nginx.config import NginxBuild
from supervisor.nginx.instance import Client, Instance
from supervisor.patience import POLL_S

MARKERS = "retiring"


class ReloadStrategy(Protocol):
    @property
    def name(self) -> str: ...

    async def reload(self, nginx: Instance) -> frozenset[int]:
        """Put the configuration on disk in force; the pids of the workers that leave.

        On return new connections meet the new configuration. Raises EdgeError when nothing changed.
        """
        ...

    async def retire(self, nginx: Instance) -> None:
        """Have clients count on none of their connections any more, so that QUIT loses no request."""
        ...


@dataclass(frozen=True, slots=True)
class PlainReload:
    """SIGHUP and nothing else: loses requests on keep-alive connections with an older nginx."""

    name: str = "plain"

    async def reload(self, nginx: Instance) -> frozenset[int]:
        old = nginx.master.workers()
        await nginx.replace_workers(old)
        return old

    async def retire(self, nginx: Instance) -> None:
        """Not needed, or not possible."""


@dataclass(frozen=True, slots=True)
class MinTimeoutReload(PlainReload):
    """SIGHUP; the configuration's `keepalive_min_timeout` makes it lossless."""

    name: str = "keepalive_min_timeout"


@dataclass(frozen=True, slots=True)
class RetireThenReload:
    """Tell the connections first, then SIGHUP.

    Waiting is harmless, since the old configuration goes on serving. It ends when every connection of before was told
    or closed; or when only idle ones were left for `idle_grace_s`; or after `timeout_s`, which only an answer longer
    than that can use up: its stream is not cut, but its connection will be closed after it.
    """

    timeout_s: float = 5.0
    idle_grace_s: float = 2.0  # as keepalive_min_timeout
    name: str = "retire_then_reload"

    async def reload(self, nginx: Instance) -> frozenset[int]:
        remove_stale_markers(nginx.folder)
        old = nginx.master.workers()
        mark_retiring(nginx.folder, old)
        try:
            await self._tell(nginx, old)
            await nginx.replace_workers(old)
        except BaseException:
            unmark_retiring(nginx.folder, old & nginx.master.workers())
            raise
        return old

    async def retire(self, nginx: Instance) -> None:
        workers = nginx.master.workers()
        mark_retiring(nginx.folder, workers)
        await self._tell(nginx, workers)

    async def _tell(self, nginx: Instance, old: frozenset[int]) -> None:
        now = asyncio.get_running_loop().time
        untold = await nginx.clients(old)
        deadline, idle_since = now() + self.timeout_s, now()
        while untold and now() < deadline:
            if not await _all_idle(nginx, untold):
                idle_since = now()
            elif now() - idle_since >= self.idle_grace_s:
                return
            await asyncio.sleep(POLL_S)
            untold &= await nginx.clients(old)


def strategy_for(build: NginxBuild) -> ReloadStrategy:
    return MinTimeoutReload() if build.swap == "keepalive_min_timeout" else RetireThenReload()


def mark_retiring(folder: Path, workers: Iterable[int]) -> None:
    """From now on these workers tell every client that its connection ends."""
    for pid in workers:
        (folder / MARKERS / str(pid)).touch()


def unmark_retiring(folder: Path, workers: Iterable[int]) -> None:
    for pid in workers:
        (folder / MARKERS / str(pid)).unlink(missing_ok=True)


def remove_markers(folder: Path, keep: Iterable[int] = ()) -> None:
    kept = {str(pid) for pid in keep}
    for marker in (folder / MARKERS).iterdir():
        if marker.name not in kept:
            marker.unlink(missing_ok=True)


def remove_stale_markers(folder: Path) -> None:
    """A pid that is gone may be given to a worker to come."""
    remove_markers(folder, keep=psutil.pids())


async def _all_idle(nginx: Instance, untold: frozenset[Client]) -> bool:
    counts = await nginx.counts()
    return counts is not None and counts.waiting >= len(untold)
