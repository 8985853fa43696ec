"""The control API from the asking side: what `modelsvc ctl` may ask, one method each.

Every failure is a SupervisorError: the daemon's own, or one of `supervisor.client.exchange`.
"""

from pathlib import Path
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from supervisor.client.exchange import Events, Exchange, StreamBroken, TimedOut, Unreachable
from supervisor.client.following import Following
from supervisor.paths import check_socket_path
from supervisor.protocol import (
    Color,
    DeploymentStatus,
    DeployRequest,
    Explanation,
    GrafanaFiles,
    History,
    LogLines,
    MemoryReport,
    MonitorCheck,
    MonitorStatus,
    Plan,
    PrewarmRequest,
    Status,
    StopRequest,
    Targets,
    encode,
)

PLAN_TIMEOUT_S = 120.0
MONITOR_TIMEOUT_S = 150.0
ABSENT = (Unreachable, StreamBroken, TimedOut)  # while the daemon is being started anew
Reply = TypeVar("Reply")


class ControlClient:
    """Asks the daemon behind `socket_path`.

    `timeout_s` bounds connecting, every plain answer, and the begin of an operation's stream. That may be silent for as
    long as a model loads, so it is bounded only by `patience_s`: seconds from the call to the last event, None for no
    limit.
    """

    def __init__(self, socket_path: Path, timeout_s: float = 10.0, patience_s: float | None = None) -> None:
        self._path = check_socket_path(socket_path)
        self._timeout_s = timeout_s
        self._patience_s = patience_s

    def status(self) -> Status:
        return self._get("/status", Status)

    def history(self, limit: int = 20) -> list[DeploymentStatus]:
        return self._get(f"/history?{urlencode({'limit': limit})}", History).deployments

    def deployment(self, number: int) -> DeploymentStatus:
        return self._get(f"/deployments/{number}", DeploymentStatus)

    def logs(self, source: str, lines: int) -> LogLines:
        return self._get(_with("/logs", source=source, lines=str(lines)), LogLines)

    def logs_after(self, source: str, place: str) -> LogLines:
        """What was written since the answer that told `place`, or as much of it as one answer takes."""
        return self._get(_with("/logs", source=source, after=place), LogLines)

    def explanation(self, number: int) -> Explanation:
        return self._get(f"/deployments/{number}/explanation", Explanation)

    def memory(self) -> MemoryReport:
        return self._get("/memory", MemoryReport)

    def plan(self, request: DeployRequest) -> Plan:
        """What `deploy` would do; a big model file may take a while to be read."""
        return self._ask("POST", "/plan", Plan, self._patience_s or PLAN_TIMEOUT_S, encode(request))

    def monitor(self) -> MonitorStatus:
        return self._get("/monitor", MonitorStatus)

    def monitor_up(self) -> MonitorStatus:
        """Returns when Prometheus answers; it may have a day's samples to read."""
        return self._ask("POST", "/monitor/up", MonitorStatus, self._patience_s or MONITOR_TIMEOUT_S, b"{}")

    def monitor_down(self) -> MonitorStatus:
        return self._ask("POST", "/monitor/down", MonitorStatus, self._patience_s or MONITOR_TIMEOUT_S, b"{}")

    def targets(self) -> Targets:
        return self._get("/monitor/targets", Targets)

    def monitor_check(self) -> MonitorCheck:
        return self._ask("POST", "/monitor/check", MonitorCheck, self._patience_s or MONITOR_TIMEOUT_S, b"{}")

    def grafana_files(self) -> GrafanaFiles:
        return self._get("/monitor/grafana", GrafanaFiles)

    def deploy(self, request: DeployRequest) -> Events:
        return self._operate("/deployments", request)

    def prewarm(self, request: PrewarmRequest) -> Events:
        return self._operate("/prewarm", request)

    def cancel_prewarm(self) -> Events:
        return self._operate("/prewarm/cancel")

    def pause(self) -> Events:
        return self._operate("/pause")

    def resume(self) -> Events:
        return self._operate("/resume")

    def rollback(self, in_place: bool = False, to: Color | None = None) -> Events:
        return self._operate(_with("/rollback", in_place="true" if in_place else None, to=to))

    def swap(self, to: Color | None = None) -> Events:
        return self._operate(_with("/swap", to=to))

    def start(self, color: Color) -> Events:
        return self._operate(f"/workers/{color}/start")

    def stop(self, color: Color, force: bool = False) -> Events:
        return self._operate(f"/workers/{color}/stop", StopRequest(force=force))

    def shutdown(self) -> Events:
        return self._operate("/shutdown")

    def hand_over(self) -> Events:
        return self._operate("/handover")

    def follow(self, after: int | None = None) -> Following:
        """What happens from now on, or what came after number `after` first; until the daemon goes away."""
        exchange = Exchange(self._path, self._timeout_s, self._timeout_s)
        try:
            path = "/events" if after is None else f"/events?after={after}"
            return Following(exchange, exchange.ask("GET", path), after)
        except BaseException:
            exchange.close()
            raise

    def _get(self, path: str, kind: type[Reply]) -> Reply:
        return self._ask("GET", path, kind, self._timeout_s)

    def _ask(self, method: str, path: str, kind: type[Reply], patience_s: float, body: bytes | None = None) -> Reply:
        exchange = Exchange(self._path, self._timeout_s, patience_s)
        try:
            return exchange.read(exchange.ask(method, path, body), kind)
        finally:
            exchange.close()

    def _operate(self, path: str, request: msgspec.Struct | None = None) -> Events:
        exchange = Exchange(self._path, self._timeout_s, self._patience_s)
        try:
            response = exchange.ask("POST", path, encode(request) if request else b"{}", promptly=True)
        except BaseException:
            exchange.close()
            raise
        return exchange.events(response)


def _with(path: str, **query: str | None) -> str:
    """`path` with what of the query is given."""
    given = urlencode({name: value for name, value in query.items() if value is not None})
    return f"{path}?{given}" if given else path
