"""The control API's questions about memory and the past: plans, accounts, explanations."""

from collections.abc import Callable
from typing import Annotated

from litestar import get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, PathParameter

from supervisor.control.status import StatusReporter
from supervisor.core.state import Change
from supervisor.errors import NotFound
from supervisor.journal import Journal
from supervisor.memory.report import MemoryReporter
from supervisor.protocol import DeploymentStatus, DeployRequest, Explanation, MemoryReport, Plan

LAST_NUMBER = 2**63 - 1  # that SQLite can count to


def ledger_routes(
    memory: MemoryReporter, status: StatusReporter, journal: Journal, change_of: Callable[[DeployRequest], Change]
) -> list[HTTPRouteHandler]:
    """The handlers; `change_of` checks a request as a deployment's is checked."""

    @post("/plan", status_code=200)
    async def plan(data: JSONBody[DeployRequest]) -> Plan:
        return await memory.plan(change_of(data), data.in_place)

    @get("/memory")
    async def report() -> MemoryReport:
        return await memory.report()

    @get("/deployments/{number:int}", sync_to_thread=False)
    def deployment(number: Annotated[int, PathParameter(ge=1, le=LAST_NUMBER)]) -> DeploymentStatus:
        return _found(journal, number)

    @get("/deployments/{number:int}/explanation", sync_to_thread=False)
    def explanation(number: Annotated[int, PathParameter(ge=1, le=LAST_NUMBER)]) -> Explanation:
        found = _found(journal, number)
        previous = journal.served_before(number)
        return Explanation(
            deployment=found,
            release=status.release(found.release),
            previous=status.release(previous),
            earlier=journal.evidence_of_release(found.release),
            retry_at=watch.retry_at if (watch := status.watch()) and watch.retry_of == number else None,
        )

    return [plan, report, deployment, explanation]


def _found(journal: Journal, number: int) -> DeploymentStatus:
    found = journal.deployment(number)
    if found is None:
        raise NotFound(f"there is no deployment {number}: see `modelsvc ctl history`", code="no_deployment")
    return found
