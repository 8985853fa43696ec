"""`python service_with_faults.py --config FILE`: a real supervisor that kills a process when a step is on record.

What to kill, and when, is in a file beside the configuration; it is read whenever a step begins. The kill happens in
the middle of the loop's turn: after the journal has the step, before anything is done for it.
"""

import argparse
import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from disposable.processes import is_alive
from disposable.waiting import until

from supervisor import config as configuration
from supervisor import lock, logs, service, startup
from supervisor.config import Config
from supervisor.core.records import Record, StepChanged
from supervisor.core.state import Color, Policy, State
from supervisor.core.steps import Step, StepState
from supervisor.edge import Edge
from supervisor.journal import Journal
from supervisor.parts import Parts
from supervisor.paths import control_socket, state_paths
from supervisor.settings import Settings

ARMED, STRUCK = "fault.json", "struck.json"
STABLE_AFTER_S = 1.0  # so that one case does not lengthen the restart pauses of the next
BEGUN = frozenset({StepState.RUNNING, StepState.SKIPPED})


class Victim(StrEnum):
    """Whom to kill. `active` is the colour that was last verified at the edge, `standby` the other one."""

    SUPERVISOR = "supervisor"
    ACTIVE = "active"
    STANDBY = "standby"
    NGINX = "nginx"


@dataclass(frozen=True)
class Struck:
    """Who was killed and when; pid None: there was no such process."""

    victim: Victim
    step: Step
    color: Color | None
    pid: int | None
    release: int | None
    at: float  # monotonic seconds, which all processes of a machine share

    @classmethod
    def read(cls, path: Path) -> "Struck":
        told: dict[str, Any] = json.loads(path.read_text())
        color = Color(told["color"]) if told["color"] else None
        return cls(Victim(told["victim"]), Step(told["step"]), color, told["pid"], told["release"], float(told["at"]))


@dataclass(frozen=True)
class Fault:
    """A sink of records that strikes once when it is armed."""

    folder: Path
    state: Callable[[], State]
    edge: Edge

    def publish(self, record: Record) -> None:
        if isinstance(record, StepChanged) and record.state in BEGUN and (self.folder / ARMED).exists():
            armed = json.loads((self.folder / ARMED).read_text())
            if record.step == armed["step"]:
                self._strike(Victim(armed["victim"]), record.step)

    def _strike(self, victim: Victim, step: Step) -> None:
        struck = self._aim(victim, step)
        (self.folder / ARMED).unlink()
        beside = self.folder / f"{STRUCK}.new"
        beside.write_text(json.dumps(asdict(struck)))
        beside.replace(self.folder / STRUCK)
        if (pid := struck.pid) is not None:
            os.kill(pid, signal.SIGKILL)
            until(lambda: not is_alive(pid), f"process {pid} is dead")  # else the step might still find it

    def _aim(self, victim: Victim, step: Step) -> Struck:
        state, now = self.state(), time.monotonic()
        match victim:
            case Victim.SUPERVISOR:
                return Struck(victim, step, None, os.getpid(), None, now)
            case Victim.NGINX:
                return Struck(victim, step, None, self.edge.report().pid, None, now)
            case Victim.ACTIVE | Victim.STANDBY:
                slot = state.active_slot if victim is Victim.ACTIVE else state.standby
                if slot is None:
                    return Struck(victim, step, None, None, None, now)
                return Struck(victim, step, slot.color, slot.pid, slot.release, now)


class FaultyParts(Parts):
    """The fault comes right after the journal."""

    def __init__(self, settings: Settings, edge: Edge, journal: Journal) -> None:
        super().__init__(settings, edge, journal)
        assert settings.config_path is not None
        journaling, *rest = self.executor._sinks
        fault = Fault(settings.config_path.parent, lambda: self.loop.state, edge)
        self.executor._sinks = (journaling, fault, *rest)


class PatientConfig(Config):
    """What is no setting, but too long for a test."""

    def policy(self) -> Policy:
        return replace(super().policy(), stable_after_s=STABLE_AFTER_S)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, required=True)
    config_path = parser.parse_args().config
    service.Parts = FaultyParts  # type: ignore[attr-defined]  # the very class that `serve` makes
    paths = state_paths()
    startup.lay_out(paths)
    with lock.take(paths.lock):
        logs.configure(paths.logs / "supervisor.log")
        config = PatientConfig.model_validate(configuration.load(config_path).model_dump())
        asyncio.run(service.serve(Settings(config, config_path, paths, control_socket(config_path))))


if __name__ == "__main__":
    main()
