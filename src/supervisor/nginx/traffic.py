"""What clients are answered at the edge, told as it happens to whoever follows: metrics, and the status page."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from supervisor.nginx.access_log import EdgeEntry, LogFollower, parse

LOOK_INTERVAL_S = 1.0

log = structlog.get_logger()

Follower = Callable[[Sequence[EdgeEntry]], None]


class EdgeTraffic:
    """Reads nginx's log in a thread. What is no client's is left out."""

    def __init__(self, access_log: Path) -> None:
        self._lines = LogFollower(access_log)
        self._followers: list[Follower] = []
        self._one_look = asyncio.Lock()

    def follow(self, follower: Follower) -> Callable[[], None]:
        """From now on it gets the entries of each look, in the event loop. Returns what ends that."""
        self._followers.append(follower)
        return lambda: self._followers.remove(follower)

    async def run(self) -> None:
        """Look every LOOK_INTERVAL_S, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("edge_log_not_followed")
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def look(self) -> None:
        """Tell what is new by now, in pieces. What cannot be read at this moment is read with the next look."""
        async with self._one_look:
            try:
                while lines := await asyncio.to_thread(self._lines.gained):
                    self._tell(await asyncio.to_thread(_entries, lines))
            except OSError as error:
                log.warning("edge_log_not_read", reason=str(error))

    def _tell(self, entries: Sequence[EdgeEntry]) -> None:
        """A follower that fails is no reason to keep it from the others."""
        for follower in tuple(self._followers) if entries else ():
            try:
                follower(entries)
            except Exception:
                log.exception("edge_entries_not_taken", follower=repr(follower))


def _entries(lines: Sequence[bytes]) -> list[EdgeEntry]:
    entries = [entry for line in lines if (entry := parse(line))]
    if len(entries) < len(lines):
        log.warning("edge_log_lines_not_understood", lines=len(lines) - len(entries))
    return [entry for entry in entries if entry.is_clients]
