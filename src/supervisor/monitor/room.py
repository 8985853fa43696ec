"""Prometheus gets what memory and disk the service leaves: whether that is enough, and when it has to go.

Deployments never wait for it: a start is refused unless a standby with the active release would fit besides, and one
that is in a deployment's way, or in that of the budget, is stopped (`Keeper.give_way`).
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from supervisor.chores import repeat
from supervisor.core import account
from supervisor.core.ledger import mb
from supervisor.core.state import State
from supervisor.errors import JournalError, Refused
from supervisor.journal import Journal
from supervisor.memory.holdings import PROMETHEUS, Held
from supervisor.memory.machine import available
from supervisor.memory.report import MemoryReporter

FACT = "monitor_peak_bytes"
ESTIMATE_BYTES = 60_000_000  # of a Prometheus that nobody has measured yet; ours held 30 MB after 25 minutes
STEP_BYTES = 5_000_000  # a peak that is higher by this is worth a write
DISK_NEEDED_BYTES = 600_000_000  # its data at most, and what the service keeps free
DISK_FLOOR_BYTES = 150_000_000
INTERVAL_S = 5.0
LOOKS_BEFORE_ACTION = 3

log = structlog.get_logger()


@dataclass(slots=True)
class Room:
    """Looks at the ledger; `give_way` has Prometheus end."""

    memory: MemoryReporter
    journal: Journal
    folder: Path  # where its data are
    state: Callable[[], State]
    give_way: Callable[[str], Awaitable[None]]
    _over: int = field(default=0, init=False)

    async def check(self) -> None:
        """Raise Refused, with the account, when a Prometheus would not fit beside a deployment, or on the disk."""
        free = shutil.disk_usage(self.folder).free
        if free < DISK_NEEDED_BYTES:
            raise Refused(
                f"{self.folder} has {mb(free)} free, and Prometheus may need {mb(DISK_NEEDED_BYTES)}: free the disk",
                code="disk_short",
            )
        state = self.state()
        held = [each.holding for each in await self._held() if each.who != PROMETHEUS]
        standby = await self.memory.standby_bytes(state)
        guest = account.Row("prometheus, as measured before" if self._peak() else "prometheus", self.estimate_bytes)
        machine = await asyncio.to_thread(available)
        verdict = account.judge_guest(guest, standby, held, machine, self.memory.admission.config.budget_bytes)
        if not verdict.admitted:
            raise Refused(verdict.message, code=verdict.code)

    @property
    def estimate_bytes(self) -> int:
        """What it held at most as far as that is on record."""
        return max(self._peak(), 0) or ESTIMATE_BYTES

    async def watch(self) -> None:
        """Until cancelled."""
        await repeat(self.look, INTERVAL_S, "monitor_look_failed")

    async def look(self) -> None:
        """Remember what it held at most; over the budget some looks in a row, it is the first to go."""
        held = await self._held()
        ours = next((each.memory.private_bytes for each in held if each.who == PROMETHEUS), 0)
        if ours > self._peak() + STEP_BYTES:
            self._remember(ours)
        used, _ = account.total(each.holding for each in held)
        budget = self.memory.admission.config.budget_bytes
        self._over = self._over + 1 if ours and used > budget else 0
        free = shutil.disk_usage(self.folder).free
        if self._over >= LOOKS_BEFORE_ACTION:
            self._over = 0
            await self.give_way(f"the service and it held {mb(used)}, and memory.budget_gb allows {mb(budget)}")
        elif ours and free < DISK_FLOOR_BYTES:
            await self.give_way(f"{self.folder} has {mb(free)} free, which the service may need")

    async def _held(self) -> list[Held]:
        return await self.memory.appraiser.holdings.now(self.state())

    def _peak(self) -> int:
        return int(self.journal.fact(FACT) or 0)

    def _remember(self, peak_bytes: int) -> None:
        try:
            self.journal.remember(FACT, peak_bytes)
        except JournalError as error:
            log.error("monitor_peak_not_kept", reason=error.message)
