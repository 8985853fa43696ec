"""GET /api/status, /api/history, /api/pulse, /api/logs: what there is to see."""

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, QueryParameter

from supervisor.control.app import ControlPlane
from supervisor.core import account
from supervisor.core.steps import Step
from supervisor.formats import rfc3339
from supervisor.memory.holdings import Held
from supervisor.page.access import Access
from supervisor.page.errors import NoSuchThing
from supervisor.page.fresh import Fresh
from supervisor.page.log_tail import tail
from supervisor.page.pulse import Pulse, PulseReport
from supervisor.page.views import Look, Share, Tail
from supervisor.processes import age_s
from supervisor.protocol import Color, ForecastReport, History, ModelReport, Status

AnyRequest = Request[Any, Any, Any]

STATUS_S = 0.3
FORECAST_S = 30.0
DEPLOYMENTS_SHOWN = 12


class Looks:
    """Many may look at once, and cost no more than one who does."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._seen = Fresh(self._see, STATUS_S)
        self._forecast = Fresh(self._foresee, FORECAST_S)

    async def look(self, access: Access, authorization: list[str]) -> Look:
        (last, status, held), forecast = await asyncio.gather(self._seen.get(), self._forecast.get())
        holdings = [each.holding for each in held]
        return Look(
            status=status,
            at=rfc3339(time.time()),
            worker_uptime_s=self._uptimes(),
            steps=[step.title for step in Step],
            shares=[Share(who=each.who, private_bytes=each.private_bytes) for each in holdings],
            models=[
                ModelReport(name=each.name, size_bytes=each.size_bytes, mapped_by=account.shared_with(holdings, each))
                for each in account.models(holdings)
            ],
            forecast=forecast,
            last_deployment=last,
            allowed=access.allowed(authorization),
        )

    def _uptimes(self) -> dict[Color, float]:
        reporter = self._plane.status
        processes = reporter.holdings.workforce.processes
        found = {color: processes.process(slot.worker_id) for color, slot in reporter.state().slots.items()}
        return {color: age_s(process) for color, process in found.items() if process is not None}

    def log(self, source: str) -> Path:
        """Raises NoSuchThing."""
        if source not in self._plane.logs:
            raise NoSuchThing(f"there is no log {source!r}: there are {', '.join(self._plane.logs)}", "no_log")
        return self._plane.logs[source]

    async def _see(self) -> tuple[int, Status, list[Held]]:
        reporter = self._plane.status
        last = self._plane.journal.last_deployment()  # of the same moment as the status, which takes its time
        status = await reporter.report()
        return last, status, await reporter.holdings.now(reporter.state())

    async def _foresee(self) -> ForecastReport | None:
        return (await self._plane.memory.report()).forecast

    def history(self) -> History:
        return History(deployments=self._plane.journal.history(DEPLOYMENTS_SHOWN))


def look_routes(looks: Looks, pulse: Pulse, access: Access) -> list[HTTPRouteHandler]:
    @get("/api/status")
    async def status(request: AnyRequest) -> Look:
        keys = authorization(request)
        access.check_look(keys)
        return await looks.look(access, keys)

    @get("/api/history")
    async def history(request: AnyRequest) -> History:
        access.check_look(authorization(request))
        return looks.history()

    @get("/api/pulse")
    async def samples(request: AnyRequest, after: Annotated[int, QueryParameter(ge=0)] = 0) -> PulseReport:
        access.check_look(authorization(request))
        return pulse.report(after)

    @get("/api/logs")
    async def logs(
        request: AnyRequest,
        source: FromQuery[str],
        lines: Annotated[int, QueryParameter(ge=1, le=1000)] = 200,
        cursor: FromQuery[str] = "",
    ) -> Tail:
        access.check_private(authorization(request))
        return await asyncio.to_thread(tail, source, looks.log(source), lines, cursor)

    return [status, history, samples, logs]


def authorization(request: AnyRequest) -> list[str]:
    return request.headers.getall("authorization", [])
