"""What the journal tells of the past."""

import json
import sqlite3
import time
from dataclasses import dataclass, field
from typing import Any

from supervisor.core.ledger import Observation, Subject
from supervisor.core.salvage import worker_number
from supervisor.core.state import Color, DeploymentKind, Outcome
from supervisor.core.steps import Step, StepState
from supervisor.formats import rfc3339, signal_name
from supervisor.journal.database import Database
from supervisor.protocol import DeploymentStatus, LastExit, StepReport

OBSERVATIONS_KEPT = 200  # that a forecast looks back on


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker whose end was never written down."""

    worker_id: str
    color: Color
    pid: int
    created_at: float
    release: int


@dataclass(frozen=True, slots=True)
class Route:
    """What the edge was last verified to route to, and the deployment that this is from."""

    active: Color | None = None
    release: int | None = None
    previous_release: int | None = None
    deployment: int | None = None


@dataclass(slots=True)
class Stopwatch:
    """When deployments and their steps began, by the monotonic clock: a key is (deployment, step or 0)."""

    _begun: dict[tuple[int, int], float] = field(default_factory=dict)

    def begin(self, deployment: int, step: int = 0) -> None:
        self._begun.setdefault((deployment, step), time.monotonic())

    def seconds(self, deployment: int, step: int = 0) -> float | None:
        """Since that began under this supervisor; None: it did not."""
        begun = self._begun.get((deployment, step))
        return None if begun is None else time.monotonic() - begun

    def clear(self) -> None:
        self._begun.clear()


class Past:
    """Questions to the journal. Every method raises JournalError when the file cannot be read."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._stopwatch = Stopwatch()

    def fact(self, name: str) -> Any:
        """The fact of that name; None when there is none."""
        rows = self._db.rows("SELECT value FROM facts WHERE name=?", (name,))
        return json.loads(rows[0]["value"]) if rows else None

    def route(self) -> Route:
        fact = self.fact("route") or {}
        active = fact.get("active")
        numbers = fact.get("release"), fact.get("previous_release"), fact.get("deployment")
        return Route(Color(active) if active else None, *numbers)

    def last_deployment(self) -> int:
        """The highest number given out so far; numbers are never used twice."""
        highest = int(self._db.rows("SELECT coalesce(max(id), 0) AS n FROM deployments")[0]["n"])
        return highest or self._before("deployment")

    def last_worker(self) -> int:
        """The highest number in a worker id; ids are never used twice."""
        ids = self._db.rows("SELECT worker_id FROM workers")
        return max([self._before("worker"), *(worker_number(row["worker_id"]) for row in ids)])

    def _before(self, name: str) -> int:
        numbers: dict[str, int] = self.fact("numbers") or {}
        return numbers.get(name, 0)

    def living_workers(self) -> list[WorkerRow]:
        rows = self._db.rows("SELECT worker_id, color, pid, created_at, release FROM workers WHERE ended_at IS NULL")
        return [
            WorkerRow(row["worker_id"], Color(row["color"]), row["pid"], row["created_at"], row["release"])
            for row in rows
        ]

    def last_exits(self) -> dict[Color, LastExit]:
        """How the last worker of each colour ended."""
        rows = self._db.rows(
            "SELECT color, ended_at, code, reason FROM workers w WHERE rowid ="
            " (SELECT max(rowid) FROM workers WHERE color = w.color AND ended_at IS NOT NULL)"
        )
        return {Color(row["color"]): _last_exit(row) for row in rows}

    def deaths(self, limit: int = 5) -> dict[Color, list[LastExit]]:
        """The last ends of each colour that nobody asked for, newest first."""
        sql = (
            "SELECT color, ended_at, code, reason FROM workers WHERE color=? AND expected=0 ORDER BY rowid DESC LIMIT ?"
        )
        return {color: [_last_exit(row) for row in self._db.rows(sql, (color, limit))] for color in Color}

    def unfinished(self) -> DeploymentStatus | None:
        """The deployment that was under way when the supervisor ended."""
        rows = self._db.rows("SELECT * FROM deployments WHERE finished_at IS NULL ORDER BY id DESC LIMIT 1")
        return self._deployment(rows[0]) if rows else None

    def deployment(self, number: int) -> DeploymentStatus | None:
        rows = self._db.rows("SELECT * FROM deployments WHERE id=?", (number,))
        return self._deployment(rows[0]) if rows else None

    def history(self, limit: int) -> list[DeploymentStatus]:
        """The last deployments, newest first."""
        rows = self._db.rows("SELECT * FROM deployments ORDER BY id DESC LIMIT ?", (limit,))
        return [self._deployment(row) for row in rows]

    def last_success(self) -> float | None:
        """When a deployment last brought a release to the edge, in Unix time."""
        rows = self._db.rows(
            "SELECT max(finished_at) AS at FROM deployments WHERE outcome = ? AND kind != ?",
            (Outcome.SUCCEEDED, DeploymentKind.PREWARM),
        )
        return None if rows[0]["at"] is None else float(rows[0]["at"])

    def newest_entry(self) -> float | None:
        """When anything was last written down, in Unix time; None in an empty journal."""
        rows = self._db.rows(
            "SELECT max(at) AS at FROM (SELECT started_at AS at FROM steps UNION ALL SELECT started_at FROM workers"
            " UNION ALL SELECT ended_at FROM workers UNION ALL SELECT finished_at FROM deployments"
            " UNION ALL SELECT started_at FROM deployments)"
        )
        return None if rows[0]["at"] is None else float(rows[0]["at"])

    def served_before(self, number: int, other_than: int | None = None) -> int | None:
        """The release that served when deployment `number` began, or the last one before that which was another."""
        rows = self._db.rows(
            "SELECT release FROM deployments WHERE id < ? AND outcome = ? AND kind != ? AND release IS NOT ?"
            " ORDER BY id DESC LIMIT 1",
            (number, Outcome.SUCCEEDED, DeploymentKind.PREWARM, other_than),
        )
        return rows[0]["release"] if rows else None

    def evidence_of_release(self, release: int | None) -> dict[str, dict[str, Any]]:
        """What steps 3 and 6 found when the release was last admitted and warmed up, by the step's name."""
        rows = self._db.rows(
            "SELECT number, evidence FROM steps JOIN deployments ON deployments.id = steps.deployment"
            " WHERE release = ? AND number IN (?, ?) AND state = ? ORDER BY deployment",
            (release, Step.ADMIT, Step.WARM_UP, StepState.DONE),
        )
        return {Step(row["number"]).key: json.loads(row["evidence"]) for row in rows}

    def observations(self) -> list[Observation]:
        """What the last deployments measured, in the order of time."""
        rows = self._db.rows("SELECT * FROM observations ORDER BY deployment DESC LIMIT ?", (OBSERVATIONS_KEPT,))
        return [_observation(row) for row in reversed(rows)]

    def _took(self, row: sqlite3.Row) -> float:
        if row["finished_at"]:
            return float(row["finished_at"] - row["started_at"])
        seconds = self._stopwatch.seconds(row["id"])
        return max(0.0, time.time() - row["started_at"]) if seconds is None else seconds

    def _deployment(self, row: sqlite3.Row) -> DeploymentStatus:
        steps = self._db.rows("SELECT * FROM steps WHERE deployment=? ORDER BY number", (row["id"],))
        finished = row["finished_at"]
        return DeploymentStatus(
            deployment=row["id"],
            kind=DeploymentKind(row["kind"]),
            release=row["release"],
            from_color=Color(row["from_color"]) if row["from_color"] else None,
            to_color=Color(row["to_color"]),
            started_at=rfc3339(row["started_at"]),
            finished_at=rfc3339(finished) if finished else None,
            outcome=Outcome(row["outcome"]) if row["outcome"] else None,
            reason=row["reason"],
            because=row["because"],
            seconds=round(self._took(row), 3),
            steps=[_step(step) for step in steps],
        )


def _step(row: sqlite3.Row) -> StepReport:
    step = Step(row["number"])
    seconds = row["seconds"]
    return StepReport(
        number=step,
        name=step.key,
        title=step.title,
        state=StepState(row["state"]),
        seconds=None if seconds is None else round(seconds, 3),
        detail=row["detail"],
        evidence=json.loads(row["evidence"]),
    )


def _observation(row: sqlite3.Row) -> Observation:
    subject = Subject(row["model_sha256"], row["architecture"], row["package_version"], json.loads(row["settings"]))
    return Observation(subject, row["formula_bytes"], row["measured_bytes"])


def _last_exit(row: sqlite3.Row) -> LastExit:
    code = row["code"]
    killed = code is not None and code < 0
    return LastExit(
        at=rfc3339(row["ended_at"]),
        code=None if killed else code,
        signal=signal_name(-code) if killed else None,
        reason=row["reason"],
    )
