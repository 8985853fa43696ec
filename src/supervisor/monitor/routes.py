"""The control API's part about the monitor."""

import tempfile
from asyncio import to_thread
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from supervisor.core.state import State
from supervisor.monitor import files, promtool
from supervisor.monitor.keeper import Keeper
from supervisor.monitor.report import MonitorReporter
from supervisor.protocol import GrafanaFiles, MonitorCheck, MonitorStatus, Targets


@dataclass(frozen=True, slots=True)
class MonitorDesk:
    """What the handlers forward to."""

    keeper: Keeper
    report: MonitorReporter
    state: Callable[[], State]

    async def check(self) -> MonitorCheck:
        """Of what would be written now, so that it can be asked before `up`. Raises MonitorError."""
        config = self.keeper.config
        with tempfile.TemporaryDirectory(prefix="modelsvc-check-") as folder:
            await to_thread(files.write, Path(folder), files.render(config))
            return await promtool.check(config.monitor.prometheus, Path(folder))

    def grafana(self) -> GrafanaFiles:
        return GrafanaFiles(
            provisioning=str(files.GRAFANA / "provisioning"),
            dashboards=str(files.GRAFANA / "dashboards"),
            prometheus_url=self.keeper.launch.url,
        )


def monitor_routes(desk: MonitorDesk) -> list[HTTPRouteHandler]:
    @get("/monitor")
    async def status() -> MonitorStatus:
        return await desk.report.full()

    @post("/monitor/up", status_code=200)
    async def up() -> MonitorStatus:
        await desk.keeper.up()
        return await desk.report.full()

    @post("/monitor/down", status_code=200)
    async def down() -> MonitorStatus:
        await desk.keeper.down()
        return await desk.report.full()

    @get("/monitor/targets")
    async def targets() -> Targets:
        return Targets(targets=await desk.report.targets(desk.state()))

    @post("/monitor/check", status_code=200)
    async def check() -> MonitorCheck:
        return await desk.check()

    @get("/monitor/grafana", sync_to_thread=False)
    def grafana() -> GrafanaFiles:
        return desk.grafana()

    return [status, up, down, targets, check, grafana]
