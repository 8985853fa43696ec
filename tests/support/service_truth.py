"""Whether everything that tells about a service tells the same, once it has settled."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import httpx
from disposable.processes import is_alive, processes_of
from tests.support.service_fixture import Service

from supervisor.core.steps import Step, StepState
from supervisor.protocol import Color, Outcome, Status

ANSWERS = 5
AT_REST = {
    Outcome.SUCCEEDED: {StepState.DONE, StepState.SKIPPED},
    Outcome.ROLLED_BACK: {StepState.DONE, StepState.SKIPPED, StepState.FAILED, StepState.UNDONE},
    Outcome.REFUSED: {StepState.DONE, StepState.SKIPPED, StepState.FAILED},
    Outcome.FAILED: {StepState.DONE, StepState.SKIPPED, StepState.FAILED, StepState.UNDONE},
}


def contradictions(service: Service, status: Status) -> list[str]:
    """What does not fit together; empty when all is well."""
    return [*_of_the_edge(service, status), *_of_processes(service, status), *_of_the_journal(service, status)]


def _of_the_edge(service: Service, status: Status) -> Iterator[str]:
    """Route file, status, and where answers really come from."""
    told = (service.routes_to(), status.edge.routes_to, status.active)
    if len({*told}) != 1:
        yield f"route file, status and active colour differ: {told}"
    release = str(status.release.number if status.release else None)
    for _ in range(ANSWERS):
        answer = service.chat("Hello!")
        named = (answer.headers.get("x-modelsvc-color"), answer.headers.get("x-modelsvc-release"))
        if (answer.status_code, named) != (200, (status.active, release)):
            yield f"HTTP {answer.status_code} from {named}, not from {status.active} with release {release}"


def _of_processes(service: Service, status: Status) -> Iterator[str]:
    """Each worker that status shows lives and is who it says; none lives beside them, and one nginx master."""
    shown = {worker.pid for worker in status.workers.values() if worker.pid}
    if shown != {*service.worker_pids()}:
        yield f"worker processes are {service.worker_pids()}, status shows {shown}"
    for color, worker in status.workers.items():
        if (worker.state == "absent") != (worker.pid is None):
            yield f"{color} is {worker.state} with pid {worker.pid}"
        if worker.state == "ready" and _worker_id(service, color) != worker.worker_id:
            yield f"{color} answers as {_worker_id(service, color)}, status shows {worker.worker_id}"
    masters = [each.pid for each in processes_of(service.folder) if "nginx: master" in " ".join(each.cmdline())]
    if masters != [status.edge.pid]:
        yield f"nginx masters are {masters}, status shows {status.edge.pid}"


def _worker_id(service: Service, color: Color) -> str | None:
    try:
        told: dict[str, str] = service.get("/health/deep", color).json()
    except httpx.HTTPError as error:
        return repr(error)
    return told.get("worker_id")


def _of_the_journal(service: Service, status: Status) -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{service.state.journal}?mode=ro", uri=True)) as journal:
        yield from _of_deployments(journal)
        yield from _of_workers(service, journal, status)


def _of_deployments(journal: sqlite3.Connection) -> Iterator[str]:
    """Each is over, and none of its steps is still under way."""
    for number, finished_at, outcome in journal.execute("SELECT id, finished_at, outcome FROM deployments"):
        if finished_at is None or outcome is None:
            yield f"deployment {number} is unfinished on record"
            continue
        rows = journal.execute("SELECT number, state FROM steps WHERE deployment=? ORDER BY number", (number,))
        steps = {Step(step): StepState(state) for step, state in rows}
        odd = {step.key: state for step, state in steps.items() if state not in AT_REST[Outcome(outcome)]}
        if odd:
            yield f"deployment {number} {outcome}, but its steps are {odd}"
        if list(steps) != list(Step)[: len(steps)] or (outcome == Outcome.SUCCEEDED and len(steps) != len(Step)):
            yield f"deployment {number} {outcome} with steps {[step.key for step in steps]} only"


def _of_workers(service: Service, journal: sqlite3.Connection, status: Status) -> Iterator[str]:
    """Whoever is on record as living lives and is shown; what they run is kept."""
    living = journal.execute("SELECT worker_id, pid FROM workers WHERE ended_at IS NULL").fetchall()
    shown = sorted((worker.worker_id, worker.pid) for worker in status.workers.values() if worker.pid)
    if sorted(living) != shown or not all(is_alive(pid) for _, pid in living):
        yield f"workers on record as living are {living}, status shows {shown}"
    for (release,) in journal.execute("SELECT release FROM workers WHERE ended_at IS NULL"):
        if not (service.state.releases / f"{release:04}.toml").exists():
            yield f"release {release} runs, but is not kept"
