"""What is told of the monitor, as lines for people. Pure: values in, text out."""

from collections.abc import Sequence

from modelsvc.cli.text import columns, headline, mb
from supervisor.protocol import AlertReport, MonitorStatus, TargetReport


def status_lines(status: MonitorStatus) -> list[str]:
    known = [
        (status.pid, "pid {}"),
        (status.since, "since {}"),
        (status.rss_bytes and mb(status.rss_bytes), "RSS {}"),
        (status.private_bytes and mb(status.private_bytes), "private {}"),
        (status.crashes or None, "{} crash(es) in a row"),
    ]
    facts = [form.format(value) for value, form in known if value is not None]
    rows = [
        ["prometheus", ", ".join([status.state, *facts])],
        *([["reason", headline(status.reason)]] if status.reason else []),
        ["url", status.url],
        ["data", _data(status)],
        *([["alerts", _alerts(status.alerts)]] if status.state == "running" else []),
    ]
    return [*columns(rows), *(f"  {line}" for line in columns([_alert(alert) for alert in status.alerts or ()]))]


def target_lines(targets: Sequence[TargetReport]) -> list[str]:
    if not targets:
        return ["Prometheus has no targets yet: ask again in some seconds"]
    return columns([["job", "colour", "health", "url", "last scrape"], *map(_target, targets)])


def is_well(target: TargetReport) -> bool:
    """It is up, not asked yet, or nobody wants it."""
    return target.health != "down" or not target.expected


def _data(status: MonitorStatus) -> str:
    size = "" if status.data_bytes is None else f"{mb(status.data_bytes)} in "
    return f"{size}{status.folder}, kept for {status.retention}"


def _alerts(alerts: Sequence[AlertReport] | None) -> str:
    if alerts is None:
        return "not known: it does not answer; see `modelsvc ctl logs prometheus`"
    firing = sum(alert.state == "firing" for alert in alerts)
    return f"{firing} firing, {len(alerts) - firing} pending" if alerts else "none"


def _alert(alert: AlertReport) -> list[str]:
    return [alert.state, alert.severity, alert.name, f"since {alert.since}", alert.summary]


def _target(target: TargetReport) -> list[str]:
    health = target.health if is_well(target) and target.health != "down" else _down(target)
    error = f"  {target.error}" if target.error and target.expected else ""
    return [target.job, target.color or "-", health, target.url, f"{target.last_scrape or 'never'}{error}"]


def _down(target: TargetReport) -> str:
    return "down" if target.expected else "down, not wanted"
