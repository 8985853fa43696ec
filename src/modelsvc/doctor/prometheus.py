"""Prometheus, which is optional."""

from collections.abc import Iterator

from modelsvc.doctor.findings import Finding, found
from modelsvc.doctor.situation import Situation
from supervisor.errors import MonitorError
from supervisor.monitor.prometheus import locate


def check(situation: Situation) -> Iterator[Finding]:
    """Whether `modelsvc monitor up` has something to run."""
    try:
        yield found("prometheus_found", f"{locate(situation.config.monitor.prometheus)}, for `modelsvc monitor up`")
    except MonitorError as error:
        yield found("prometheus_absent", f"{error.message}; only `modelsvc monitor` needs it")
