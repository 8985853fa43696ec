"""What the supervisor knows: frozen values, replaced and never changed.

Wanted and actual are kept apart: `Slot.wanted` is what should be, `Slot.phase` what is, `Slot.pid` what was spawned.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Self
from collections.abc import Mapping


class Color(StrEnum):
    """A worker slot with a fixed port."""

    BLUE = "blue"
    GREEN = "green"

    @property
    def other(self) -> "Color":
        return Color.GREEN if self is Color.BLUE else Color.BLUE


class DeploymentKind(StrEnum):
    """Why the active colour changes."""

    DEPLOY = "deploy"
    ROLLBACK = "rollback"
    SWAP = "swap"


class Outcome(StrEnum):
    """How an operation ended."""

    SUCCEEDED = "succeeded"
    ROLLED_BACK = "rolled_back"
    REFUSED = "refused"
    FAILED = "failed"


class StepState(StrEnum):
    """Where a step of a deployment stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDONE = "undone"
