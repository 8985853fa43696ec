"""What a journal does not know, or knows wrongly, because it was lost or damaged: from what lives and what was logged.

What lives counts more than what was logged, and a sound journal more than both: nothing is told that it knows already.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.core import records as rec
from supervisor.core.state import Color


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal says. `fresh`: it has only just begun, and says nothing."""

    fresh: bool = False
    workers: frozenset[str] = frozenset()
    colors: frozenset[Color] = frozenset()  # of those workers that live
    active: Color | None = None
    edge_lives: bool = False
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class Reality:
    """What is there: our workers and our nginx, each alive, and the colour that the edge routes to."""

    workers: tuple[rec.WorkerBegan, ...] = ()
    edge: rec.EdgeChanged | None = None
    routes_to: Color | None = None


@dataclass(frozen=True, slots=True)
class Traces:
    """What the log still tells: the highest numbers given out, and what was last said of the rest."""

    last_deployment: int = 0
    last_worker: int = 0
    route: rec.RouteChanged | None = None
    paused: bool = False
    prewarmed: int | None = None
    rejected: int | None = None


@dataclass(frozen=True, slots=True)
class Salvage:
    """Records the journal lacks, and the numbers below which none may be given out."""

    records: tuple[rec.Record, ...] = ()
    numbers: Mapping[str, int] = field(default_factory=dict)


def salvage(known: Known, reality: Reality, traces: Traces) -> Salvage:
    """Nothing, where the journal is sound and complete."""
    unknown = tuple(worker for worker in reality.workers if worker.worker_id not in known.workers)
    records: list[rec.Record] = [*unknown]
    if reality.edge and not known.edge_lives:
        records.append(reality.edge)
    if route := _route(known, reality, traces, bool(unknown)):
        records.append(route)
    if not known.fresh:
        return Salvage(tuple(records))
    if traces.paused:
        records.append(rec.Paused(True))
    if traces.prewarmed is not None:
        records.append(rec.Prewarmed(traces.prewarmed))
    if traces.rejected is not None:
        records.append(rec.Rejected(traces.rejected))
    last_worker = max([traces.last_worker, *(worker_number(worker.worker_id) for worker in reality.workers)])
    return Salvage(tuple(records), {"deployment": traces.last_deployment, "worker": last_worker})


def worker_number(worker_id: str) -> int:
    """Of `blue-7`, 7; 0 for what is no id of ours."""
    number = worker_id.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _route(known: Known, reality: Reality, traces: Traces, incomplete: bool) -> rec.RouteChanged | None:
    """Where requests go, if the journal does not know. A worker that gets them serves, whatever was written."""
    alive = {worker.color: worker.release for worker in reality.workers}
    marked = reality.routes_to
    if known.fresh:
        logged = traces.route
        active = marked if marked in alive else (logged.active if logged else None) or marked or _only(alive)
        if active is None:
            return None
        was = logged if logged and logged.active is active else None
        return rec.RouteChanged(active, alive.get(active, was.release if was else None), _previous(traces, was))
    outdated = incomplete and not known.unfinished and known.active not in known.colors
    if outdated and marked in alive and marked is not known.active:
        return rec.RouteChanged(marked, alive[marked], None)
    return None


def _previous(traces: Traces, was: rec.RouteChanged | None) -> int | None:
    """The release before; when the other colour was switched to since, that is the one that was logged as serving."""
    if was:
        return was.previous_release
    return traces.route.release if traces.route else None


def _only(alive: Mapping[Color, int]) -> Color | None:
    return next(iter(alive)) if len(alive) == 1 else None
