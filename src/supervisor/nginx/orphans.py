"""The workers of a killed nginx master: they go on serving, by the same route, until they are told to finish.

They finish as the workers of a reload do (see `supervisor.nginx.reload`): first the next nginx serves on the socket
they share, then they tell their connections, then they get QUIT.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGQUIT

from supervisor.nginx.instance import clients
from supervisor.nginx.master import group_members, signal_members
from supervisor.nginx.reload import mark_retiring
from supervisor.patience import POLL_S
from supervisor.ports import Address

TELL_TIMEOUT_S = 5.0


@dataclass(slots=True)
class Orphans:
    """Known by the process groups of their masters."""

    folder: Path
    address: Address
    tells_by_itself: bool  # `keepalive_min_timeout`
    groups: set[int] = field(default_factory=set)
    _farewell: asyncio.Task[None] | None = None

    def add(self, group: int) -> None:
        """That of a master that ended. Groups without members are forgotten: their numbers may be given away again."""
        self.groups = {known for known in (*self.groups, group) if group_members(known)}

    def members(self) -> frozenset[int]:
        return frozenset[int]().union(*map(group_members, tuple(self.groups)))

    def quit(self) -> None:
        """Finish what runs, and close what is idle, now."""
        for group in self.groups:
            signal_members(group, SIGQUIT)

    def retire(self) -> None:
        """Finish once every client was told, in the background. Another nginx must serve already."""
        if self.groups and (self._farewell is None or self._farewell.done()):
            self._farewell = asyncio.get_running_loop().create_task(self._retire())

    async def end(self) -> None:
        """None is left on return."""
        if self._farewell is not None:
            self._farewell.cancel()
            await asyncio.wait({self._farewell})
        for group in self.groups:
            signal_members(group, SIGKILL)
        self.groups.clear()

    async def _retire(self) -> None:
        if not self.tells_by_itself:
            await self._tell()
        self.quit()

    async def _tell(self) -> None:
        """Which of its connections are idle an orphan tells nobody, so those that stay silent cost the whole time."""
        members = self.members()
        mark_retiring(self.folder, members)
        deadline = asyncio.get_running_loop().time() + TELL_TIMEOUT_S
        untold = await clients(members, self.address)
        while untold and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(POLL_S)
            untold &= await clients(members, self.address)
