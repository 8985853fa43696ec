"""The durable record of deployments, steps, routes and workers.

The loop is its only writer. A record is on disk before the effects that follow it are performed, so that whoever comes
after a crash knows at least what had begun.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, assert_never

from supervisor.core import records as rec
from supervisor.core.state import Outcome
from supervisor.core.steps import StepState
from supervisor.journal.database import Database
from supervisor.journal.past import Past
from supervisor.journal.reserve import Reserve


class Journal(Past):
    """Every method raises JournalError when the file cannot be read or written."""

    def __init__(self, path: Path, reserve: Reserve | None = None) -> None:
        """`reserve` is given up when the disk is full."""
        super().__init__(Database(path, reserve))

    @property
    def fresh(self) -> bool:
        """There was no file, or an empty one."""
        return self._db.fresh

    def is_in_place(self) -> bool:
        """Whether whoever looks for the journal finds the file that is written to."""
        return self._db.is_in_place()

    def recreate(self) -> None:
        """Write the file anew, with all that is in it, where it was removed."""
        self._db.recreate()

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
                self._db.run(
                    "INSERT INTO deployments (id, kind, from_color, to_color, started_at, because)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (record.deployment, record.kind, record.from_color, record.to_color, now, record.because),
                )
                self._stopwatch.begin(record.deployment)
            case rec.StepChanged():
                self._write_step(record, now)
            case rec.RequestEnded():
                self._end_deployment(record, now)
            case rec.RouteChanged():
                route = {
                    "active": record.active,
                    "release": record.release,
                    "previous_release": record.previous_release,
                    "deployment": record.deployment,
                }
                self.remember("route", route)
            case rec.WorkerBegan():
                self._db.run(
                    "INSERT OR REPLACE INTO workers (worker_id, color, pid, created_at, release, started_at)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (record.worker_id, record.color, record.pid, record.created_at, record.release, now),
                )
            case rec.WorkerGone():
                self._db.run(
                    "UPDATE workers SET ended_at=?, code=?, expected=?, reason=? WHERE worker_id=?",
                    (now, record.code, record.expected, record.reason, record.worker_id),
                )
            case rec.EdgeChanged():
                self.remember("edge", [record.pid, record.created_at] if record.pid else None)
            case rec.Paused():
                self.remember("paused", record.paused)
            case rec.Prewarmed():
                self.remember("prewarmed", record.release)
            case rec.Rejected():
                self.remember("rejected", record.release)
            case rec.MonitorChanged():
                self.remember("monitor", {"wanted": record.wanted, "pid": record.pid, "created_at": record.created_at})
            case rec.DeploymentBegan() | rec.WorkerChanged() | rec.BakeBreached():
                pass  # it has a row already, or is told by others
            case rec.StepShown() | rec.Warned() | rec.WatchDecided() | rec.HookFailed():
                pass  # of the moment only
            case _:
                assert_never(record)

    def remember(self, name: str, value: Any) -> None:
        """Keep a fact by name, as JSON, instead of its earlier value."""
        self._db.run("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, json.dumps(value)))

    def lose_worker(self, worker_id: str) -> None:
        """Write down that the worker ended while nobody watched."""
        self._db.run("UPDATE workers SET ended_at=?, expected=0 WHERE worker_id=?", (time.time(), worker_id))

    def end_unfinished(self, number: int, outcome: Outcome, reason: str) -> None:
        """Close a deployment that an earlier supervisor left open."""
        self._db.run(
            "UPDATE deployments SET finished_at=max(started_at, ?), outcome=?, reason=? WHERE id=?",
            (time.time(), outcome, reason, number),
        )

    def _write_step(self, record: rec.StepChanged, now: float) -> None:
        key = record.deployment, int(record.step)
        seconds = self._stopwatch.seconds(*key)
        if record.state is StepState.RUNNING:
            self._stopwatch.begin(*key)
        self._db.run(
            "INSERT INTO steps (deployment, number, state, started_at, detail, evidence) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (deployment, number) DO UPDATE SET state=excluded.state,"
            " started_at=CASE WHEN excluded.state='running' THEN excluded.started_at ELSE started_at END,"
            " seconds=CASE WHEN excluded.state IN ('pending', 'running') THEN NULL"
            " ELSE coalesce(seconds, ?, max(0, ?-started_at)) END,"
            " detail=CASE WHEN excluded.detail='' THEN detail ELSE excluded.detail END,"
            " evidence=CASE WHEN excluded.evidence='{}' THEN evidence ELSE excluded.evidence END",
            (*key, record.state, now, record.detail, json.dumps(dict(record.evidence)), seconds, now),
        )
        if record.state is StepState.DONE and "observation" in record.evidence:
            self._observe(record, now)
        if record.release is not None:
            self._db.run("UPDATE deployments SET release=? WHERE id=?", (record.release, record.deployment))

    def _observe(self, record: rec.StepChanged, now: float) -> None:
        seen: Any = record.evidence["observation"]
        self._db.run(
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
        seconds = self._stopwatch.seconds(record.deployment)
        self._db.run(
            "UPDATE deployments SET finished_at=coalesce(started_at+?, max(started_at, ?)), outcome=?, reason=?,"
            " release=coalesce(?, release) WHERE id=?",
            (seconds, now, record.outcome, record.reason, record.release, record.deployment),
        )
        self._stopwatch.clear()
