"""The durable record of deployments, steps, routes and workers: SQLite, synced to disk at each write.

The loop is its only writer. A record is on disk before the effects that follow it are performed, so that whoever comes
after a crash knows at least what had begun.
"""

import json
import signal
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

from supervisor.core import records as rec
from supervisor.core.ledger import Observation, Subject
from supervisor.core.salvage import worker_number
from supervisor.core.state import Color, DeploymentKind, Outcome
from supervisor.core.steps import Step, StepState
from supervisor.errors import JournalCorrupt, JournalError
from supervisor.protocol import DeploymentStatus, LastExit, StepReport
from supervisor.reserve import Reserve, is_full

SCHEMA_VERSION = 2
SCHEMA = """
CREATE TABLE IF NOT EXISTS deployments (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, from_color TEXT, to_color TEXT NOT NULL, release INTEGER,
    started_at REAL NOT NULL, finished_at REAL, outcome TEXT, reason TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS steps (
    deployment INTEGER NOT NULL REFERENCES deployments(id), number INTEGER NOT NULL, state TEXT NOT NULL,
    started_at REAL NOT NULL, seconds REAL, detail TEXT NOT NULL DEFAULT '', evidence TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (deployment, number)
);
CREATE TABLE IF NOT EXISTS workers (
    worker_id TEXT PRIMARY KEY, color TEXT NOT NULL, pid INTEGER NOT NULL, created_at REAL NOT NULL,
    release INTEGER NOT NULL, started_at REAL NOT NULL, ended_at REAL, code INTEGER, expected INTEGER,
    reason TEXT NOT NULL DEFAULT ''
);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS observations (
    deployment INTEGER PRIMARY KEY REFERENCES deployments(id), at REAL NOT NULL, model_sha256 TEXT NOT NULL,
    architecture TEXT NOT NULL, package_version TEXT NOT NULL, settings TEXT NOT NULL, formula_bytes INTEGER NOT NULL,
    measured_bytes INTEGER NOT NULL
);
"""
DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
OBSERVATIONS_KEPT = 200  # that a forecast looks back on
# What an older journal lacks besides tables, which SCHEMA makes by itself; by the version that came with it.
MIGRATIONS = {2: "ALTER TABLE steps ADD COLUMN evidence TEXT NOT NULL DEFAULT '{}'"}


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
    """What the edge was last verified to route to."""

    active: Color | None = None
    release: int | None = None
    previous_release: int | None = None


class Journal:
    """One SQLite file. Every method raises JournalError when the file cannot be read or written."""

    def __init__(self, path: Path, reserve: Reserve | None = None) -> None:
        """`reserve` is given up when the disk is full."""
        self._path, self._reserve = path, reserve
        self._begun: dict[tuple[int, int], float] = {}  # (deployment, step or 0), by the monotonic clock
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
        except sqlite3.Error as error:
            raise self._broken("opened", error) from error
        try:
            self._db.row_factory = sqlite3.Row
            version = self._check_version()
            self._check_pages()
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._migrate(version)
            self.fresh = not version  # there was none, or an empty file
        except sqlite3.Error as error:
            self._db.close()
            raise self._broken("opened", error) from error
        except JournalError:
            self._db.close()  # else its end would remove the side files of the next one by their names
            raise

    def _migrate(self, version: int) -> None:
        """All or nothing, so that a crash in between leaves the older journal. A new file has version 0."""
        missing = [MIGRATIONS[newer] for newer in range(version + 1, SCHEMA_VERSION + 1) if newer in MIGRATIONS]
        steps = missing if version else []
        script = ";".join([*steps, SCHEMA, f"PRAGMA user_version={SCHEMA_VERSION}"])
        self._db.executescript(f"BEGIN IMMEDIATE;{script};COMMIT")

    def _check_version(self) -> int:
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise JournalError(
                f"the journal {self._path} has version {version}, and this modelsvc knows {SCHEMA_VERSION} at most:"
                " install the newer modelsvc again, or move the file away to begin a new journal"
            )
        return version

    def _check_pages(self) -> None:
        """Damage that would only be met later, at a write that must not fail."""
        said = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise self._corrupt(said)

    def close(self) -> None:
        self._db.close()

    def begin_after(self, numbers: Mapping[str, int]) -> None:
        """Give out no `deployment` or `worker` number up to these again, although no row has them."""
        if numbers:
            self.remember("numbers", dict(numbers))

    def write(self, record: rec.Record) -> None:
        """Keep the record, stamped with the time of day."""
        now = time.time()
        match record:
            case rec.DeploymentBegan(resumed=False):
                self._run(
                    "INSERT INTO deployments (id, kind, from_color, to_color, started_at) VALUES (?, ?, ?, ?, ?)",
                    (record.deployment, record.kind, record.from_color, record.to_color, now),
                )
                self._begun[record.deployment, 0] = time.monotonic()
            case rec.StepChanged():
                self._write_step(record, now)
            case rec.RequestEnded():
                self._end_deployment(record, now)
            case rec.RouteChanged():
                route = {
                    "active": record.active,
                    "release": record.release,
                    "previous_release": record.previous_release,
                }
                self.remember("route", route)
            case rec.WorkerBegan():
                self._run(
                    "INSERT OR REPLACE INTO workers (worker_id, color, pid, created_at, release, started_at)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (record.worker_id, record.color, record.pid, record.created_at, record.release, now),
                )
            case rec.WorkerGone():
                self._run(
                    "UPDATE workers SET ended_at=?, code=?, expected=?, reason=? WHERE worker_id=?",
                    (now, record.code, record.expected, record.reason, record.worker_id),
                )
            case rec.EdgeChanged():
                self.remember("edge", [record.pid, record.created_at] if record.pid else None)
            case rec.Paused():
                self.remember("paused", record.paused)
            case rec.Prewarmed():
                self.remember("prewarmed", record.release)
            case rec.MonitorChanged():
                self.remember("monitor", {"wanted": record.wanted, "pid": record.pid, "created_at": record.created_at})
            case rec.DeploymentBegan() | rec.WorkerChanged() | rec.BakeBreached():
                pass  # it has a row already, or is told by others
            case rec.StepShown() | rec.Warned() | rec.HookFailed():
                pass  # of the moment only
            case _:
                assert_never(record)

    def remember(self, name: str, value: Any) -> None:
        """Keep a fact by name, as JSON, instead of its earlier value."""
        self._run("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, json.dumps(value)))

    def fact(self, name: str) -> Any:
        """The fact of that name; None when there is none."""
        rows = self._rows("SELECT value FROM facts WHERE name=?", (name,))
        return json.loads(rows[0]["value"]) if rows else None

    def route(self) -> Route:
        fact = self.fact("route") or {}
        active = fact.get("active")
        return Route(Color(active) if active else None, fact.get("release"), fact.get("previous_release"))

    def last_deployment(self) -> int:
        """The highest number given out so far; numbers are never used twice."""
        highest = int(self._rows("SELECT coalesce(max(id), 0) AS n FROM deployments")[0]["n"])
        return highest or self._before("deployment")

    def last_worker(self) -> int:
        """The highest number in a worker id; ids are never used twice."""
        ids = self._rows("SELECT worker_id FROM workers")
        return max([self._before("worker"), *(worker_number(row["worker_id"]) for row in ids)])

    def _before(self, name: str) -> int:
        numbers: dict[str, int] = self.fact("numbers") or {}
        return numbers.get(name, 0)

    def living_workers(self) -> list[WorkerRow]:
        rows = self._rows("SELECT worker_id, color, pid, created_at, release FROM workers WHERE ended_at IS NULL")
        return [
            WorkerRow(row["worker_id"], Color(row["color"]), row["pid"], row["created_at"], row["release"])
            for row in rows
        ]

    def lose_worker(self, worker_id: str) -> None:
        """Write down that the worker ended while nobody watched."""
        self._run("UPDATE workers SET ended_at=?, expected=0 WHERE worker_id=?", (time.time(), worker_id))

    def last_exits(self) -> dict[Color, LastExit]:
        """How the last worker of each colour ended."""
        rows = self._rows(
            "SELECT color, ended_at, code, reason FROM workers w WHERE rowid ="
            " (SELECT max(rowid) FROM workers WHERE color = w.color AND ended_at IS NOT NULL)"
        )
        return {Color(row["color"]): _last_exit(row) for row in rows}

    def deaths(self, limit: int = 5) -> dict[Color, list[LastExit]]:
        """The last ends of each colour that nobody asked for, newest first."""
        sql = (
            "SELECT color, ended_at, code, reason FROM workers WHERE color=? AND expected=0 ORDER BY rowid DESC LIMIT ?"
        )
        return {color: [_last_exit(row) for row in self._rows(sql, (color, limit))] for color in Color}

    def unfinished(self) -> DeploymentStatus | None:
        """The deployment that was under way when the supervisor ended."""
        rows = self._rows("SELECT * FROM deployments WHERE finished_at IS NULL ORDER BY id DESC LIMIT 1")
        return self._deployment(rows[0]) if rows else None

    def deployment(self, number: int) -> DeploymentStatus | None:
        rows = self._rows("SELECT * FROM deployments WHERE id=?", (number,))
        return self._deployment(rows[0]) if rows else None

    def history(self, limit: int) -> list[DeploymentStatus]:
        """The last deployments, newest first."""
        rows = self._rows("SELECT * FROM deployments ORDER BY id DESC LIMIT ?", (limit,))
        return [self._deployment(row) for row in rows]

    def end_unfinished(self, number: int, outcome: Outcome, reason: str) -> None:
        """Close a deployment that an earlier supervisor left open."""
        self._run(
            "UPDATE deployments SET finished_at=max(started_at, ?), outcome=?, reason=? WHERE id=?",
            (time.time(), outcome, reason, number),
        )

    def last_success(self) -> float | None:
        """When a deployment last brought a release to the edge, in Unix time."""
        rows = self._rows(
            "SELECT max(finished_at) AS at FROM deployments WHERE outcome = ? AND kind != ?",
            (Outcome.SUCCEEDED, DeploymentKind.PREWARM),
        )
        return None if rows[0]["at"] is None else float(rows[0]["at"])

    def served_before(self, number: int, other_than: int | None = None) -> int | None:
        """The release that served when deployment `number` began, or the last one before that which was another."""
        rows = self._rows(
            "SELECT release FROM deployments WHERE id < ? AND outcome = ? AND kind != ? AND release IS NOT ?"
            " ORDER BY id DESC LIMIT 1",
            (number, Outcome.SUCCEEDED, DeploymentKind.PREWARM, other_than),
        )
        return rows[0]["release"] if rows else None

    def evidence_of_release(self, release: int | None) -> dict[str, dict[str, Any]]:
        """What steps 3 and 6 found when the release was last admitted and warmed up, by the step's name."""
        rows = self._rows(
            "SELECT number, evidence FROM steps JOIN deployments ON deployments.id = steps.deployment"
            " WHERE release = ? AND number IN (?, ?) AND state = ? ORDER BY deployment",
            (release, Step.ADMIT, Step.WARM_UP, StepState.DONE),
        )
        return {Step(row["number"]).key: json.loads(row["evidence"]) for row in rows}

    def observations(self) -> list[Observation]:
        """What the last deployments measured, in the order of time."""
        rows = self._rows("SELECT * FROM observations ORDER BY deployment DESC LIMIT ?", (OBSERVATIONS_KEPT,))
        return [_observation(row) for row in reversed(rows)]

    def _write_step(self, record: rec.StepChanged, now: float) -> None:
        key = record.deployment, int(record.step)
        seconds = self._seconds(key)
        if record.state is StepState.RUNNING:
            self._begun.setdefault(key, time.monotonic())
        self._run(
            "INSERT INTO steps (deployment, number, state, started_at, detail, evidence) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (deployment, number) DO UPDATE SET state=excluded.state,"
            " seconds=coalesce(seconds, ?, max(0, ?-started_at)),"
            " detail=CASE WHEN excluded.detail='' THEN detail ELSE excluded.detail END,"
            " evidence=CASE WHEN excluded.evidence='{}' THEN evidence ELSE excluded.evidence END",
            (*key, record.state, now, record.detail, json.dumps(dict(record.evidence)), seconds, now),
        )
        if record.state is StepState.DONE and "observation" in record.evidence:
            self._observe(record, now)
        if record.release is not None:
            self._run("UPDATE deployments SET release=? WHERE id=?", (record.release, record.deployment))

    def _observe(self, record: rec.StepChanged, now: float) -> None:
        seen: Any = record.evidence["observation"]
        self._run(
            "INSERT OR REPLACE INTO observations (deployment, at, model_sha256, architecture, package_version,"
            " settings, formula_bytes, measured_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.deployment,
                now,
                seen["model_sha256"],
                seen["architecture"],
                seen["package_version"],
                json.dumps(seen["settings"]),
                seen["formula_bytes"],
                seen["measured_bytes"],
            ),
        )

    def _end_deployment(self, record: rec.RequestEnded, now: float) -> None:
        """It ended as long after its start as it took, whatever was done to the time of day meanwhile."""
        if record.deployment is None:
            return
        seconds = self._seconds((record.deployment, 0))
        self._run(
            "UPDATE deployments SET finished_at=coalesce(started_at+?, max(started_at, ?)), outcome=?, reason=?,"
            " release=coalesce(?, release) WHERE id=?",
            (seconds, now, record.outcome, record.reason, record.release, record.deployment),
        )
        self._begun.clear()

    def _seconds(self, key: tuple[int, int]) -> float | None:
        """Since that began under this supervisor; None: it did not."""
        begun = self._begun.get(key)
        return None if begun is None else time.monotonic() - begun

    def _took(self, row: sqlite3.Row) -> float:
        if row["finished_at"]:
            return float(row["finished_at"] - row["started_at"])
        seconds = self._seconds((row["id"], 0))
        return max(0.0, time.time() - row["started_at"]) if seconds is None else seconds

    def _deployment(self, row: sqlite3.Row) -> DeploymentStatus:
        steps = self._rows("SELECT * FROM steps WHERE deployment=? ORDER BY number", (row["id"],))
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
            seconds=round(self._took(row), 3),
            steps=[_step(step) for step in steps],
        )

    def _run(self, sql: str, values: tuple[Any, ...]) -> None:
        try:
            self._db.execute(sql, values)
        except sqlite3.Error as error:
            if self._reserve and is_full(error) and self._reserve.give_up():
                self._run(sql, values)
            else:
                raise self._broken("written", error) from error

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        try:
            with closing(self._db.execute(sql, values)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            raise self._broken("read", error) from error

    def _broken(self, done: str, error: sqlite3.Error) -> JournalError:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED:  # the module's own errors have none
            return self._corrupt(str(error))
        return JournalError(
            f"the journal {self._path} cannot be {done}: {error};"
            " free the disk, or move the file away to begin a new one"
        )

    def _corrupt(self, why: str) -> JournalCorrupt:
        return JournalCorrupt(
            f"the journal {self._path} is damaged: {why}; workers and nginx go on as they are, and the next"
            " `modelsvc up` sets the file aside and takes them up"
        )


def rfc3339(epoch_s: float) -> str:
    """A time of day as people and machines read it, in UTC."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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


def signal_name(number: int) -> str:
    """Most real-time signals have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
