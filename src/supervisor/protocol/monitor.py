"""The managed Prometheus, and what it says."""

from supervisor.protocol.base import Struct


class MonitorStatus(Struct, frozen=True):
    """GET /v1/monitor. `reason` is why it does not run although it is wanted."""

    state: str  # off, starting, running, stopping, waiting, failed
    wanted: bool
    url: str
    folder: str  # its configuration and data
    retention: str
    pid: int | None = None
    since: str | None = None  # RFC 3339, UTC: when the process was started
    rss_bytes: int | None = None
    private_bytes: int | None = None  # what the ledger counts
    data_bytes: int | None = None  # None: not asked for
    crashes: int = 0  # in a row
    reason: str = ""
    alerts: list["AlertReport"] | None = None  # firing or pending; None: not known, for it does not answer


class AlertReport(Struct, frozen=True):
    """An alert of Prometheus'. `pending`: not for long enough to fire."""

    name: str
    state: str  # pending, firing
    severity: str
    summary: str
    since: str


class TargetReport(Struct, frozen=True):
    """Whom Prometheus scrapes. `expected` is false for a colour that nobody wants: it is down by nature."""

    job: str
    url: str
    health: str  # up, down, unknown: not scraped yet
    expected: bool
    color: str | None = None
    last_scrape: str | None = None
    error: str = ""


class Targets(Struct, frozen=True):
    """GET /v1/monitor/targets."""

    targets: list[TargetReport]


class MonitorCheck(Struct, frozen=True):
    """POST /v1/monitor/check: what promtool says of configuration and rules."""

    passed: bool
    command: list[str]
    output: str


class GrafanaFiles(Struct, frozen=True):
    """GET /v1/monitor/grafana: what a Grafana is told to show this service."""

    provisioning: str
    dashboards: str
    prometheus_url: str
