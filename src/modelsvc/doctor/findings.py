"""What a check found, as it is printed and as it travels as JSON."""

from enum import StrEnum

from modelsvc.doctor.codes import FAILURES, NOTES, WARNINGS
from supervisor.protocol.base import Struct


class Level(StrEnum):
    """`failure`: the service does not start, does not serve, or would not deploy. `warning`: something else is lost."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


LEVELS: dict[str, Level] = {
    **dict.fromkeys(NOTES, Level.OK),
    **dict.fromkeys(WARNINGS, Level.WARNING),
    **dict.fromkeys(FAILURES, Level.FAILURE),
}


class Finding(Struct, frozen=True):
    """One fact: `code` names it for programs, `seen` tells it with its values, `mend` is what to do about it."""

    code: str
    level: Level
    seen: str
    mend: str = ""


class AreaReport(Struct, frozen=True):
    """What one check found."""

    area: str
    findings: list[Finding]


class Report(Struct, frozen=True):
    """Everything `modelsvc doctor` found."""

    version: str
    config: str | None
    state_dir: str
    failures: int
    warnings: int
    areas: list[AreaReport]


def found(code: str, seen: str, mend: str = "") -> Finding:
    """A finding of the level its code has. Raises KeyError for a code that `codes` does not list."""
    return Finding(code=code, level=LEVELS[code], seen=seen, mend=mend)


def count(areas: list[AreaReport], level: Level) -> int:
    """How many findings of a level there are."""
    return sum(finding.level is level for area in areas for finding in area.findings)
