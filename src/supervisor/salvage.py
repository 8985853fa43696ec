"""A journal that was lost or damaged: set aside, begun anew, and told what lives and what the log remembers."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import structlog

from supervisor import processes
from supervisor.console import say
from supervisor.core import records as rec
from supervisor.core.salvage import Known, Reality, Salvage, Traces, salvage, worker_number
from supervisor.core.state import Color
from supervisor.errors import JournalCorrupt, JournalError
from supervisor.journal import Journal
from supervisor.journal.reserve import Reserve
from supervisor.nginx.master import Master
from supervisor.nginx.route import ROUTE, read_route
from supervisor.paths import StatePaths

log = structlog.get_logger()


def open_journal(paths: StatePaths, reserve: Reserve | None = None) -> Journal:
    """The journal, complete as far as can be known. Raises JournalError when it cannot be read for another reason."""
    try:
        journal = Journal(paths.journal, reserve)
    except JournalCorrupt as error:
        aside = set_aside(paths.journal)
        say(f"WARNING: {error.message}")
        say(
            f"WARNING: it is set aside as {aside.name}, and a new journal is begun: the history of deployments and"
            " what was measured are lost; what lives, and what the log remembers, is taken up"
        )
        log.error("journal_set_aside", path=str(aside), reason=error.message)
        journal = Journal(paths.journal, reserve)
    try:
        mend(journal, paths)
    except BaseException:
        journal.close()
        raise
    return journal


def mend(journal: Journal, paths: StatePaths) -> Salvage:
    """Write down what the journal lacks, and say so."""
    reality = look(paths)
    found = salvage(_known(journal), reality, traces(paths.logs / "supervisor.log") if journal.fresh else Traces())
    journal.begin_after(found.numbers)
    for record in found.records:
        journal.write(record)
    if found.records:
        told = ", ".join(map(_told, found.records))
        say(f"WARNING: the journal did not know, and was told: {told}")
        log.warning("journal_mended", found=told)
    return found


def set_aside(path: Path) -> Path:
    """Rename the journal and its side files. Raises JournalError when that cannot be."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.name}.corrupt-{moment}")
    try:
        for suffix in ("-wal", "-shm", ""):  # the journal last: a crash in between must not leave a log without it
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    except OSError as error:
        raise JournalError(f"the damaged journal {path} cannot be set aside: {error.strerror}") from error
    return aside


def look(paths: StatePaths) -> Reality:
    """What of this state folder is alive."""
    return Reality(_workers(paths.releases), _edge(paths.edge), read_route(paths.edge / ROUTE))


def traces(path: Path) -> Traces:
    """What the supervisor logged; lines that cannot be read are passed over."""
    seen = _Reader()
    for name in (*(path.with_name(f"{path.name}.{number}") for number in (3, 2, 1)), path):
        for line in _lines(name):
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                seen.read(json.loads(line))
    return Traces(seen.deployment, seen.worker, seen.route, seen.paused, seen.prewarmed, seen.rejected)


@dataclass(slots=True)
class _Reader:
    deployment: int = 0
    worker: int = 0
    route: rec.RouteChanged | None = None
    paused: bool = False
    prewarmed: int | None = None
    rejected: int | None = None

    def read(self, line: dict[str, Any]) -> None:
        self.deployment = max(self.deployment, int(line.get("deployment", 0)))
        self.worker = max(self.worker, worker_number(line.get("worker_id", "")))
        match line["event"]:
            case "RouteChanged":
                active = line.get("active")
                color = Color(active) if active else None
                self.route = rec.RouteChanged(color, line.get("release"), line.get("previous_release"))
            case "Paused":
                self.paused = bool(line["paused"])
            case "Prewarmed":
                self.prewarmed = line.get("release")
            case "Rejected":
                self.rejected = line.get("release")


def _lines(path: Path) -> Iterator[str]:
    with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as file:
        yield from file


def _known(journal: Journal) -> Known:
    living, edge = journal.living_workers(), journal.fact("edge")
    return Known(
        journal.fresh,
        frozenset(row.worker_id for row in living),
        frozenset(row.color for row in living if processes.find(row.pid, row.created_at)),
        journal.route().active,
        bool(edge) and processes.find(int(edge[0]), float(edge[1])) is not None,
        journal.unfinished() is not None,
    )


def _workers(releases: Path) -> tuple[rec.WorkerBegan, ...]:
    found = [worker for process in psutil.process_iter() if (worker := _worker(process, releases))]
    return tuple(sorted(found, key=lambda worker: worker_number(worker.worker_id)))


def _worker(process: psutil.Process, releases: Path) -> rec.WorkerBegan | None:
    """A process of ours that was started on a release of this state folder, and is its own group, as workers are."""
    release = Path(processes.option(process, "--release"))
    worker_id, color = processes.option(process, "--worker-id"), processes.option(process, "--color")
    if release.parent != releases or not release.stem.isdecimal() or color not in set(Color) or not worker_id:
        return None
    with suppress(psutil.Error, ProcessLookupError):
        leads = os.getpgid(process.pid) == process.pid and process.uids().real == os.getuid()
        if leads and processes.is_alive(process):
            started = processes.started_at(process)
            return rec.WorkerBegan(Color(color), worker_id, process.pid, started, int(release.stem))
    return None


def _edge(folder: Path) -> rec.EdgeChanged | None:
    master = Master.of(folder)
    return rec.EdgeChanged(master.pid, master.started_at) if master else None


def _told(record: rec.Record) -> str:
    match record:
        case rec.WorkerBegan():
            return f"worker {record.worker_id} (pid {record.pid}, release {record.release})"
        case rec.EdgeChanged():
            return f"nginx (pid {record.pid})"
        case rec.RouteChanged():
            return f"{record.active} serves release {record.release}"
        case _:
            return type(record).__name__.lower()
