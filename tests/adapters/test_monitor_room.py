"""Whether there is memory for Prometheus, and who goes first when there is not."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from supervisor.config import Config, MemorySection
from supervisor.core.account import Machine
from supervisor.core.state import State
from supervisor.errors import Refused
from supervisor.journal import Journal
from supervisor.memory.holdings import Held
from supervisor.memory.usage import ProcessMemory
from supervisor.monitor import room as rooms
from supervisor.monitor.room import (
    DISK_FLOOR_BYTES,
    DISK_NEEDED_BYTES,
    ESTIMATE_BYTES,
    LOOKS_BEFORE_ACTION,
    STEP_BYTES,
    Room,
)

MB = 10**6


@dataclass
class Ledger:
    """What the reporter of memory tells; itself also its admission, appraiser and holdings."""

    config: Config = field(default_factory=lambda: Config(memory=MemorySection(budget_gb=1.0)))
    private: dict[str, int] = field(default_factory=lambda: {"supervisor": 60 * MB, "blue": 400 * MB})
    standby: int = 300 * MB

    @property
    def admission(self) -> "Ledger":
        return self

    appraiser = holdings = admission

    async def now(self, _: State) -> list[Held]:
        return [Held(who, (1,), ProcessMemory(size, size, size, None)) for who, size in self.private.items()]

    async def standby_bytes(self, _: State) -> int:
        return self.standby


@dataclass
class Desk:
    ledger: Any
    room: Room
    reasons: list[str]


@pytest.fixture
async def desk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    journal, ledger = Journal(folder / "j.db"), Ledger()
    reasons: list[str] = []

    async def give_way(reason: str) -> None:
        reasons.append(reason)

    monkeypatch.setattr(rooms, "available", lambda: Machine(8_000 * MB, counts_mapped=True))
    made: Any = ledger
    yield Desk(ledger, Room(made, journal, folder, State, give_way), reasons)
    journal.close()


def free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """On the disk."""
    usage = shutil.disk_usage("/")._replace(free=size)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)


async def test_it_fits_beside_a_deployment(desk: Desk) -> None:
    """460 MB held, 300 MB for a standby, 60 MB for Prometheus: of 1,000."""
    await desk.room.check()


async def test_it_must_leave_room_for_a_deployment(desk: Desk) -> None:
    """Refused with the account that shows why."""
    desk.ledger.standby = 500 * MB
    with pytest.raises(Refused) as caught:
        await desk.room.check()

    assert caught.value.code == "memory_short"
    assert "it would all need 1,020 MB, and memory.budget_gb allows 1,000 MB" in caught.value.message
    lines = [line.split()[:-2] for line in caught.value.message.splitlines()[1:]]
    assert lines[:4] == [["supervisor"], ["blue"], ["a", "standby", "to", "deploy", "to"], ["prometheus"]]


async def test_a_standby_that_is_there_is_counted_once(desk: Desk) -> None:
    """In what is held, and not as planned."""
    desk.ledger.private["green"] = 450 * MB
    desk.ledger.standby = 0
    await desk.room.check()


async def test_the_machine_must_have_it_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "available", lambda: Machine(300 * MB, counts_mapped=True, source="the cgroup /x"))
    with pytest.raises(Refused, match="what the cgroup /x can give") as caught:
        await desk.room.check()
    assert caught.value.code == "machine_memory_short"


async def test_the_disk_must_have_room_for_its_data(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is on the same one."""
    free(monkeypatch, DISK_NEEDED_BYTES - 1)
    with pytest.raises(Refused, match="600 MB: free the disk") as caught:
        await desk.room.check()
    assert caught.value.code == "disk_short"


async def test_a_disk_that_gets_full_is_left_to_the_service(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where it runs: who is gone cannot go."""
    free(monkeypatch, DISK_FLOOR_BYTES - 1)
    await desk.room.look()
    assert desk.reasons == []
    desk.ledger.private["prometheus"] = 30 * MB
    await desk.room.look()
    assert len(desk.reasons) == 1 and "has 150 MB free" in desk.reasons[0]


async def test_what_it_held_before_is_what_it_is_expected_to_need(desk: Desk) -> None:
    """The most, also for a later supervisor; small steps are not worth a write."""
    assert desk.room.estimate_bytes == ESTIMATE_BYTES
    for held, estimate in ((200 * MB, 200 * MB), (200 * MB + STEP_BYTES, 200 * MB), (50 * MB, 200 * MB)):
        desk.ledger.private["prometheus"] = held
        await desk.room.look()
        assert desk.room.estimate_bytes == estimate


async def test_a_measured_prometheus_is_refused_by_what_it_held(desk: Desk) -> None:
    """And the account says whence the number is."""
    desk.ledger.private["prometheus"] = 260 * MB
    await desk.room.look()
    del desk.ledger.private["prometheus"]
    with pytest.raises(Refused, match=r"prometheus, as measured before +260 MB"):
        await desk.room.check()


async def test_its_own_bytes_are_not_counted_twice_when_it_is_started_again(desk: Desk) -> None:
    desk.ledger.private["prometheus"] = 200 * MB
    await desk.room.check()


async def test_over_the_budget_it_is_the_first_to_go(desk: Desk) -> None:
    """One look proves nothing."""
    desk.ledger.private["prometheus"] = 600 * MB
    for _ in range(LOOKS_BEFORE_ACTION - 1):
        await desk.room.look()
    assert desk.reasons == []
    await desk.room.look()
    assert desk.reasons == ["the service and it held 1,060 MB, and memory.budget_gb allows 1,000 MB"]


async def test_looks_must_come_in_a_row(desk: Desk) -> None:
    for held in (600, 600, 100, 600, 600):
        desk.ledger.private["prometheus"] = held * MB
        await desk.room.look()
    assert desk.reasons == []


async def test_a_service_that_is_over_without_it_is_the_watchs_business(desk: Desk) -> None:
    desk.ledger.private["blue"] = 2000 * MB
    for _ in range(2 * LOOKS_BEFORE_ACTION):
        await desk.room.look()
    assert desk.reasons == []
